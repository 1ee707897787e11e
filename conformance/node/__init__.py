"""Cases on the node agent: the suite plays the master."""
