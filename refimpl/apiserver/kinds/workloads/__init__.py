"""Kinds that make pods from a template: replication controllers and sets, deployments, daemon sets, jobs..."""
