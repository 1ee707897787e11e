"""Subresources with behaviour of their own: one module each."""
