"""Cases on the master: the suite plays the nodes."""
