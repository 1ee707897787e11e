"""The kubelet's own server: logs, streams into containers, health."""
