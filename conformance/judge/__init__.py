"""Pure functions from what was seen to facts: no clock, no network, no side effect."""
