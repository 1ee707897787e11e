"""Masters that are wrong on purpose, one way each."""
