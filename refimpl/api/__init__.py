"""The wire: what objects, errors, patches and selectors look like, without any I/O."""
