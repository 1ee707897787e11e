"""What the suite does to a node agent, in the role of its master."""
