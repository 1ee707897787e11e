"""Node agents that are wrong on purpose, one way each."""
