"""Pod specs, as they stand in pods and in the templates of workloads: defaults and validation."""
