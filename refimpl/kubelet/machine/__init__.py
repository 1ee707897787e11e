"""The machine under a node: what it has and how much of it is in use."""
