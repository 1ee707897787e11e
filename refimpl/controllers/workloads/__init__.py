"""What the controllers of workloads share: what a pod counts as, who owns it, how it is created and deleted."""
