"""The node's own object: registration, heartbeats, and what they say."""
