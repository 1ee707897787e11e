"""The node's pods: taken, started, watched, ended, and reported."""
