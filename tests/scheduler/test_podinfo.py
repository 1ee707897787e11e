"""What a pod asks of a node, and which pods count."""

from __future__ import annotations

import pytest

from refimpl.scheduler.podinfo import (
    PodParser,
    counts_on_its_node,
    is_gated,
    signature,
    wants_scheduling,
)
from tests.scheduler.objects import pod, pod_info


def container(cpu: str, **more):
    return {"name": f"c{cpu}", "image": "x", "resources": {"requests": {"cpu": cpu}}, **more}


def test_requests_are_integers_of_milli_cpu_and_bytes():
    asks = pod_info(requests={"cpu": "1.5", "memory": "1Gi", "example.com/gpu": "2"}).asks
    assert asks.requests == {"cpu": 1500, "memory": 2**30, "example.com/gpu": 2}


def test_a_millionth_of_a_core_is_a_whole_milli():
    assert pod_info(requests={"cpu": "100u"}).asks.requests == {"cpu": 1}


def test_init_containers_and_overhead_are_part_of_the_request():
    asks = pod_info(
        containers=[container("1"), container("1")], initContainers=[container("3")], overhead={"cpu": "250m"}
    ).asks
    assert asks.requests == {"cpu": 3250}


def test_scores_assume_something_for_containers_that_do_not_say():
    asks = pod_info(containers=[container("1"), {"name": "quiet", "image": "x"}]).asks
    assert (asks.non_zero_cpu, asks.non_zero_memory) == (1100, 400 * 2**20)
    assert asks.requests == {"cpu": 1000}


def test_pods_of_one_template_share_what_they_ask():
    parser = PodParser()
    one, two = (parser.parse(pod(requests={"cpu": "1"})) for _ in range(2))
    assert one.asks is two.asks


@pytest.mark.parametrize(
    "change",
    [
        {"requests": {"cpu": "2"}},
        {"namespace": "other"},
        {"nodeSelector": {"a": "b"}},
        {"tolerations": [{"operator": "Exists"}]},
        {"ports": [{"containerPort": 1, "hostPort": 1}]},
        {"overhead": {"cpu": "1"}},
        {"affinity": {"nodeAffinity": {}}},
        {"resources": {"requests": {"cpu": "1"}}},
        {"initContainers": [container("1")]},
    ],
)
def test_what_a_node_can_tell_apart_has_another_signature(change):
    assert signature(pod(**{"requests": {"cpu": "1"}, **change})) != signature(pod(requests={"cpu": "1"}))


@pytest.mark.parametrize(
    ("phase", "bound", "terminating", "counts"),
    [
        ("Pending", True, False, True),
        ("Running", True, False, True),
        ("Running", True, True, True),
        ("Succeeded", True, False, False),
        ("Failed", True, False, False),
        ("Pending", False, False, False),
    ],
)
def test_bound_pods_count_until_they_are_finished(phase, bound, terminating, counts):
    made = pod(phase=phase, **({"nodeName": "n1"} if bound else {}))
    if terminating:
        made["metadata"]["deletionTimestamp"] = "2018-07-02T02:11:27Z"
    assert counts_on_its_node(made) is counts


def test_a_scheduler_touches_only_unbound_pods_of_its_own_name():
    assert wants_scheduling(pod(), "default-scheduler")
    assert not wants_scheduling(pod(schedulerName="nobody"), "default-scheduler")
    assert wants_scheduling(pod(schedulerName="mine"), "mine")
    assert not wants_scheduling(pod(nodeName="n1"), "default-scheduler")
    assert not wants_scheduling(pod(phase="Failed"), "default-scheduler")


def test_a_gate_keeps_a_pod_waiting():
    assert is_gated(pod(schedulingGates=[{"name": "example.com/wait"}]))
    assert not is_gated(pod(schedulingGates=[]))
