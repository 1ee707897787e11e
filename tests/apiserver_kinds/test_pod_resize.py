"""`pods/resize`: CPU and memory of containers change, nothing else does."""

from __future__ import annotations

import copy

import pytest

from refimpl.api.errors import Object
from refimpl.api.resources import PODS
from tests.apiserver_kinds.support import accepted, changed, update

CPU = {"requests": {"cpu": "100m"}, "limits": {"cpu": "400m"}}
RESOURCES = "spec.containers[0].resources"


def running(*resources: Object, init: list[Object] | None = None, **more: object) -> Object:
    containers = [{"name": f"c{n}", "image": "x", "resources": item} for n, item in enumerate(resources)]
    return accepted(PODS, {"spec": {"containers": containers, "initContainers": init or [], **more}})


def resize(old: Object, *resources: Object, **more: object) -> tuple[Object, list[str]]:
    new = changed(old, spec=more)
    for container, wanted in zip(new["spec"]["containers"], resources, strict=False):
        container["resources"] = wanted
    return update(PODS, old, new, "resize")


def test_requests_and_limits_change_and_count_as_a_generation() -> None:
    old = running(CPU)
    wanted = {"requests": {"cpu": "200m"}, "limits": {"cpu": "800m"}}
    new, wrong = resize(old, wanted)
    assert not wrong
    assert new["spec"]["containers"][0]["resources"] == wanted
    assert new["metadata"]["generation"] == old["metadata"].get("generation", 0) + 1


def test_nothing_but_resources_is_taken_over() -> None:
    old = running(CPU)
    new, wrong = update(
        PODS,
        old,
        changed(old, spec={"nodeName": "n"}, metadata={"labels": {"a": "b"}}, status={"phase": "Failed"}),
        "resize",
    )
    assert (new, wrong) == (old, [])


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (
            {},
            {"requests": {"cpu": "1"}},
            'spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing',
        ),
        (
            CPU,
            {"requests": {"cpu": "100m"}},
            f"{RESOURCES}.limits: Forbidden: resource limits cannot be removed",
        ),
        (
            {"requests": {"cpu": "1", "memory": "1Gi"}},
            {"requests": {"memory": "1Gi"}},
            f"{RESOURCES}.requests: Forbidden: resource requests cannot be removed",
        ),
        (
            CPU,
            {"requests": {"cpu": "100m", "ephemeral-storage": "1Gi"}, "limits": {"cpu": "400m"}},
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            CPU,
            {"requests": {"cpu": "500m"}, "limits": {"cpu": "400m"}},
            f'{RESOURCES}.requests: Invalid value: "500m": must be less than or equal to cpu limit of 400m',
        ),
    ],
)
def test_a_resize_that_is_none_is_refused(before: Object, after: Object, text: str) -> None:
    assert text in resize(running(before), after)[1]


def test_containers_keep_their_number_and_order() -> None:
    old = running(CPU, CPU)
    turned, fewer = copy.deepcopy(old), copy.deepcopy(old)
    turned["spec"]["containers"].reverse()
    del fewer["spec"]["containers"][1]
    assert update(PODS, old, turned, "resize")[1] == [
        f"spec.containers[{index}].name: Forbidden: containers may not be renamed or reordered on resize"
        for index in (0, 1)
    ]
    assert update(PODS, old, fewer, "resize")[1] == [
        "spec.containers: Forbidden: containers may not be added or removed on resize"
    ]


def test_a_sidecar_is_resized_and_so_is_an_init_container_that_needs_no_restart() -> None:
    init = [
        {"name": "side", "image": "x", "restartPolicy": "Always", "resources": CPU},
        {"name": "once", "image": "x", "resources": CPU},
    ]
    old = running(CPU, init=init)
    new = copy.deepcopy(old)
    for container in new["spec"]["initContainers"]:
        container["resources"] = {"requests": {"cpu": "150m"}, "limits": {"cpu": "400m"}}
    stored, wrong = update(PODS, old, new, "resize")
    assert not wrong
    assert [item["resources"]["requests"]["cpu"] for item in stored["spec"]["initContainers"]] == ["150m", "150m"]


def test_resources_of_the_whole_pod_change_but_stay() -> None:
    old = running(CPU, resources={"requests": {"cpu": "1"}})
    new, wrong = resize(old, resources={"requests": {"cpu": "2"}})
    assert not wrong
    assert new["spec"]["resources"] == {"requests": {"cpu": "2"}}
    assert "spec.resources: Forbidden: pod-level resources cannot be removed" in resize(old, resources=None)[1]


def test_static_pods_and_nodes_that_cannot_are_left_alone() -> None:
    old = running(CPU)
    static = changed(old, metadata={"annotations": {"kubernetes.io/config.mirror": "h"}})
    assert resize(static, CPU)[1] == [": Forbidden: static pods cannot be resized"]
    old["status"]["containerStatuses"] = [{"name": "c0", "state": {"running": {}}}]
    assert resize(old, CPU)[1] == ["spec: Forbidden: Pod running on node without support for resize"]
    old["status"]["containerStatuses"][0]["resources"] = CPU
    assert not resize(old, CPU)[1]
