"""Stores: where the API server keeps objects. `base.Store` is the protocol, each other module one implementation."""
