"""What is done to a target: simulated nodes, workloads, scenarios. Nothing here asserts."""
