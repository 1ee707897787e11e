"""Results of a run, and how people and machines read them."""
