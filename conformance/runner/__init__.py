"""A run from its first contact with the target to its results."""
