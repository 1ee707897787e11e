"""What the suite does to a master, in the role of nodes and of users."""
