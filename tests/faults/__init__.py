"""Deliberately wrong masters and nodes: each differs from the reference in one point, and the suite must say which."""
