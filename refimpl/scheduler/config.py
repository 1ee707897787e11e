"""What the scheduler can be told; names and defaults of `KubeSchedulerConfiguration`, kube-scheduler 1.36."""

from __future__ import annotations

import attrs

MIN_FEASIBLE_NODES = 100
MIN_FEASIBLE_PERCENTAGE = 5


@attrs.frozen
class SchedulerConfig:
    """Scheduling.

    Attributes:
        scheduler_name: pods whose `spec.schedulerName` is another one are not touched.
        percentage_of_nodes_to_score: the search for feasible nodes ends when this share of all nodes was found
            feasible (but never below 100 nodes); 0 means adaptive, 50% shrinking to 5% as the cluster grows.
        pod_initial_backoff_seconds: wait before the second attempt; doubles with every further one.
        pod_max_backoff_seconds: the longest wait between attempts.
        pod_max_in_unschedulable_pods_duration: a waiting pod is tried again after this time even if nothing happened.
        unschedulable_flush_interval: how often it is looked whether such a pod is due.
        min_candidate_nodes_percentage: share of the nodes on which preemption is tried out.
        min_candidate_nodes_absolute: the least number of nodes on which preemption is tried out.
        max_bindings_in_flight: bindings that may wait for the API's answer at the same time.
    """

    scheduler_name: str = "default-scheduler"
    percentage_of_nodes_to_score: int = 0
    pod_initial_backoff_seconds: float = 1.0
    pod_max_backoff_seconds: float = 10.0
    pod_max_in_unschedulable_pods_duration: float = 300.0
    unschedulable_flush_interval: float = 30.0
    min_candidate_nodes_percentage: int = 10
    min_candidate_nodes_absolute: int = 100
    max_bindings_in_flight: int = 100


def feasible_nodes_to_find(config: SchedulerConfig, nodes: int) -> int:
    """How many feasible nodes are enough in a cluster of that size.

    Source: kube-scheduler 1.36 `numFeasibleNodesToFind`.
    """
    if nodes < MIN_FEASIBLE_NODES:
        return nodes
    percentage = config.percentage_of_nodes_to_score or max(50 - nodes // 125, MIN_FEASIBLE_PERCENTAGE)
    return min(max(nodes * percentage // 100, MIN_FEASIBLE_NODES), nodes)


def preemption_candidates_to_find(config: SchedulerConfig, nodes: int) -> int:
    """On how many of that many nodes preemption is tried out.

    Source: kube-scheduler 1.36 `defaultpreemption`, `calculateNumCandidates`.
    """
    wanted = max(nodes * config.min_candidate_nodes_percentage // 100, config.min_candidate_nodes_absolute)
    return min(wanted, nodes)
