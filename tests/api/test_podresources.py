from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import quantity
from refimpl.api.podresources import pod_limits, pod_requests, qos_class


def container(requests=None, limits=None, **more):
    return {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def sidecar(**requests):
    return container(requests, restartPolicy="Always")


def pod(*containers, init=(), **spec):
    return {"spec": {"containers": list(containers), "initContainers": list(init), **spec}}


def requests_of(*args, **kwargs):
    return {name: quantity.to_text(amount) for name, amount in pod_requests(pod(*args, **kwargs)).items()}


def test_containers_are_summed():
    assert requests_of(container({"cpu": "100m"}), container({"cpu": "1", "memory": "1000"})) == {
        "cpu": "1100m",
        "memory": "1k",
    }


def test_a_larger_init_container_decides_for_each_resource_alone():
    assert requests_of(
        container({"cpu": "2", "memory": "100"}), init=[container({"cpu": "1"}), container({"memory": "300"})]
    ) == {"cpu": "2", "memory": "300"}


def test_a_sidecar_counts_beside_the_containers():
    assert requests_of(container({"cpu": "1"}), init=[sidecar(cpu="500m")]) == {"cpu": "1500m"}


def test_an_init_container_runs_beside_the_sidecars_started_before_it():
    assert requests_of(container({"cpu": "1"}), init=[sidecar(cpu="1"), container({"cpu": "3"}), sidecar(cpu="1")]) == {
        "cpu": "4"
    }


def test_overhead_comes_on_top():
    assert requests_of(container({"cpu": "1"}), overhead={"cpu": "250m", "memory": "10"}) == {
        "cpu": "1250m",
        "memory": "10",
    }
    limited = pod(container(limits={"cpu": "1"}), overhead={"cpu": "250m", "memory": "10"})
    assert pod_limits(limited) == {"cpu": Decimal("1.25")}


def test_pod_level_requests_take_the_place_of_the_sum():
    asking = pod(container({"cpu": "1", "memory": "5"}), resources={"requests": {"cpu": "3"}})
    assert pod_requests(asking) == {"cpu": 3, "memory": 5}
    assert pod_requests(asking, pod_level=False) == {"cpu": 1, "memory": 5}


def test_scores_assume_a_little_where_nothing_is_asked():
    asking = pod(container({"cpu": "1"}), container())
    assert pod_requests(asking, missing={"cpu": Decimal("0.1")}) == {"cpu": Decimal("1.1")}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        (pod(container()), "BestEffort"),
        (pod(container({"example.com/gpu": "1"})), "BestEffort"),
        (pod(container({"cpu": "0"})), "BestEffort"),
        (pod(container({"cpu": "100m"})), "Burstable"),
        (pod(container(BOTH, BOTH)), "Guaranteed"),
        (pod(container({"cpu": "1000m", "memory": "1024Mi"}, BOTH)), "Guaranteed"),
        (pod(container(BOTH, BOTH), container()), "Burstable"),
        (pod(container({"cpu": "1"}, {"cpu": "1"})), "Burstable"),
        (pod(container({"cpu": "500m", "memory": "1Gi"}, BOTH)), "Burstable"),
        (pod(container(BOTH, BOTH), init=[container()]), "Burstable"),
        (pod(container(BOTH, BOTH), init=[container(BOTH, BOTH)]), "Guaranteed"),
        (pod(container(), resources={"requests": BOTH, "limits": BOTH}), "Guaranteed"),
    ],
)
def test_the_quality_of_service_class(asking, expected):
    assert qos_class(asking) == expected


AMOUNTS = st.integers(min_value=0, max_value=50)
CONTAINERS = st.builds(lambda amount: container({"cpu": amount}), AMOUNTS)
INIT = st.builds(
    lambda amount, stays: sidecar(cpu=amount) if stays else container({"cpu": amount}), AMOUNTS, st.booleans()
)


@given(st.lists(CONTAINERS, min_size=1), st.lists(INIT))
def test_the_effective_request_covers_every_moment_of_the_pods_life(containers, init):
    effective = pod_requests(pod(*containers, init=init))["cpu"]

    def asked(items):
        return sum(item["resources"]["requests"]["cpu"] for item in items)

    def sidecars(items):
        return [item for item in items if item.get("restartPolicy") == "Always"]

    moments = [asked(sidecars(init[:at])) + asked([init[at]]) for at in range(len(init))]
    moments.append(asked(containers) + asked(sidecars(init)))
    assert effective == max(moments)


def resized(spec_cpu, allocated, actual, reason=""):
    conditions = [{"type": "PodResizePending", "status": "True", "reason": reason}] if reason else []
    report = {"name": "c", "allocatedResources": {"cpu": allocated}, "resources": {"requests": {"cpu": actual}}}
    return {**pod(container({"cpu": spec_cpu})), "status": {"containerStatuses": [report], "conditions": conditions}}


@pytest.mark.parametrize("sizes", [("3", "1", "1"), ("1", "3", "1"), ("1", "1", "3")])
def test_a_resized_container_counts_the_largest_of_wanted_allocated_and_actual(sizes):
    assert pod_requests(resized(*sizes), resized=True) == {"cpu": Decimal(3)}
    assert pod_requests(resized(*sizes)) == {"cpu": Decimal(sizes[0])}


def test_what_a_node_can_never_give_does_not_count():
    assert pod_requests(resized("9", "1", "2", "Infeasible"), resized=True) == {"cpu": Decimal(2)}
