"""What the suite does to a target, one subject a module."""
