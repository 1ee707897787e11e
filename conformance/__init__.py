"""A conformance suite for the contract between a Kubernetes master and its nodes."""
