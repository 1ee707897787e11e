"""The suite's pytest plugin."""
