"""Objects of all resources over one store, as they are now and as they changed."""
