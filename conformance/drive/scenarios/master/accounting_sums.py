"""The sums of the scenario `accounting`: what nodes offer, what pods ask, who fits.

Devices make most of them: daemons that go to every node use cpu, memory and slots, but never a device they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.drive.placing import Resources, asking, container
from conformance.drive.sums import device, devices
from conformance.judge.sums import Ask, Sum

EXACT = {"cpu": "0.3", "memory": "1Gi", "ephemeral-storage": "1Gi", "pods": "110"}
"""What the node `exact` offers; decimal and binary units mixed, and thirds that no binary fraction can hold."""

LIMITED = {"cpu": "2", "memory": "2Gi", "ephemeral-storage": "1Gi", "pods": "110"}
"""What the node `limited` offers."""

NATIVE = (
    Sum(
        "exact",
        (
            Ask("cpu-some", True, "0.1 of 0.3 cpu", {"cpu": "0.1"}),
            Ask("cpu-over", False, "0.1 + 201m is more than 0.3 cpu", {"cpu": "201m"}),
            Ask("cpu-rest", True, "0.1 + 0.2 is 0.3 cpu", {"cpu": "0.2"}),
            Ask("cpu-one", False, "1m more than 0.3 cpu", {"cpu": "1m"}),
        ),
    ),
    Sum(
        "exact",
        (
            Ask("memory-some", True, "1G of 1Gi memory", {"memory": "1G"}),
            Ask("memory-over", False, "1G + 73741825 is a byte more than 1Gi", {"memory": "73741825"}),
            Ask("memory-rest", True, "1G + 73741824 is 1Gi", {"memory": "73741824"}),
            Ask("memory-one", False, "a byte more than 1Gi", {"memory": "1"}),
        ),
    ),
    Sum(
        "exact",
        (
            Ask("disk-some", True, "600Mi of 1Gi", {"ephemeral-storage": "600Mi"}),
            Ask("disk-over", False, "a byte more than 1Gi", {"ephemeral-storage": str((424 << 20) + 1)}),
            Ask("disk-rest", True, "600Mi + 424Mi is 1Gi", {"ephemeral-storage": "424Mi"}),
        ),
    ),
)

EMPTY = Sum("exact", (Ask("nothing", True, "it requests nothing, and there are free slots"),))
"""Tried when cpu, memory and storage are used up."""

OFFERED = (
    Sum(
        "many",
        (
            Ask("smaller-two", False, "1 is allocatable, whatever the capacity", devices("smaller", 2)),
            Ask("smaller-one", True, "1 is allocatable", devices("smaller", 1)),
        ),
    ),
    Sum("many", (Ask("larger-four", True, "4 are allocatable, whatever the capacity", devices("larger", 4)),)),
)
"""The capacity is 4 of `smaller`, 1 of `larger`."""

REQUESTED = Sum(
    "limited",
    (
        Ask("loose-1", True, "1 of 2 cpu requested, limit 3", {}, {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}}),
        Ask("loose-2", True, "2 of 2 cpu requested, limit 3", {}, {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}}),
    ),
)
"""Limits larger than the node."""

DEFAULTED = Sum(
    "limited",
    (
        Ask("half", True, "1Gi of 2Gi", {"memory": "1Gi"}),
        Ask("limit-only", False, "a limit of 2Gi is a request of 2Gi, 1Gi is free", {}, {"limits": {"memory": "2Gi"}}),
    ),
)

Shape = Mapping[str, tuple[Resources, ...]]
"""What the containers of a pod ask, in order; those of `sidecars` come first among the init containers."""

SHAPES: Mapping[str, tuple[Shape, Mapping[str, int]]] = {
    "peak": ({"init": ({"x": "3"},), "main": ({"x": "1"}, {"x": "1"})}, {"x": 3}),
    "sum": ({"init": ({"x": "3"},), "main": ({"x": "2"}, {"x": "2"})}, {"x": 4}),
    "inits": ({"init": ({"x": "1"}, {"x": "2"}), "main": ({"x": "1"},)}, {"x": 2}),
    "mixed": ({"init": ({"x": "3", "z": "1"},), "main": ({"x": "1", "y": "1"}, {"y": "1"})}, {"x": 3, "y": 2, "z": 1}),
}
"""Pods of several containers, and how much of each resource they need."""

SIDECAR_SHAPES: Mapping[str, tuple[Shape, Mapping[str, int]]] = {
    "beside": ({"sidecars": ({"x": "1"},), "main": ({"x": "1"},)}, {"x": 2}),
    "before": ({"sidecars": ({"x": "2"},), "init": ({"x": "3"},), "main": ({"x": "1"},)}, {"x": 5}),
}

SIDECARS_SINCE = 29
"""The minor version in which an init container could become a sidecar."""


def shaped(shapes: Mapping[str, tuple[Shape, Mapping[str, int]]]) -> tuple[Sum, ...]:
    """For each shape: one piece too few of one resource, then exactly enough, then nothing left."""
    return tuple(_shaped(name, shape, needs) for name, (shape, needs) in shapes.items())


def offers(shapes: Mapping[str, tuple[Shape, Mapping[str, int]]]) -> dict[str, str]:
    """What the node must offer for `shaped`."""
    total: dict[str, str] = {}
    for name, (_, needs) in shapes.items():
        for which, count in needs.items():
            total |= devices(f"{name}-{which}", count)
            for short in needs:
                total |= devices(f"{name}-no-{short}-{which}", count - (short == which))
    return total


def _shaped(name: str, shape: Shape, needs: Mapping[str, int]) -> Sum:
    words = ", ".join(f"{count} {which}" for which, count in needs.items())
    short = tuple(
        Ask(f"{name}-short-of-{which}", False, f"it needs {words}; one {which} less is there", {}, spec)
        for which in needs
        for spec in [_spec(f"{name}-no-{which}", shape)]
    )
    enough = Ask(f"{name}-enough", True, f"it needs {words}; that is there", {}, _spec(name, shape))
    more = tuple(
        Ask(f"{name}-more-{which}", False, f"the pod {name}-enough has taken all", devices(f"{name}-{which}", 1))
        for which in needs
    )
    return Sum("many", (*short, enough, *more))


def _spec(prefix: str, shape: Shape) -> dict[str, Any]:
    def named(which: str, **more: Any) -> list[dict[str, Any]]:
        parts = enumerate(shape.get(which, ()))
        return [container(f"{which}-{n}", _own(prefix, asked), **more) for n, asked in parts]

    inits = [*named("sidecars", restartPolicy="Always"), *named("init")]
    return {"containers": named("main"), **({"initContainers": inits} if inits else {})}


def _own(prefix: str, asked: Resources) -> dict[str, str]:
    return {device(f"{prefix}-{which}"): amount for which, amount in asked.items()}


DEVICES = (
    Sum(
        "many",
        (
            Ask("fill-two", True, "2 of 3", devices("fill", 2)),
            Ask("fill-over", False, "2 + 2 of 3", devices("fill", 2)),
            Ask("fill-rest", True, "2 + 1 of 3", devices("fill", 1)),
            Ask("fill-more", False, "none is left of 3", devices("fill", 1)),
        ),
    ),
    Sum("many", (Ask("undeclared", False, "the node does not declare the resource", devices("undeclared", 1)),)),
)

SLOTS = Sum(
    "slots",
    (
        Ask("slot-1", True, "the first of 2 slots"),
        Ask("slot-2", True, "the second of 2 slots"),
        Ask("slot-3", False, "2 of 2 slots are taken"),
    ),
)
"""The third is bound in the end, when one of the others has come to its end."""

SLOTLESS = Sum("slotless", (Ask("no-slots", False, "the node's allocatable does not name pods"),))

ALL = {"cpu": "2", "memory": "2Gi", "ephemeral-storage": "1Gi"}

SPENT = {**ALL, "pods": "110"}
"""What the node `spent` offers: as much as one pod asks."""


def _paged(amount: str) -> dict[str, Any]:
    """Huge pages are requested with cpu or memory, and never overcommitted."""
    return {"requests": {"cpu": "1m", "hugepages-2Mi": amount}, "limits": {"hugepages-2Mi": amount}}


PAGES = Sum(
    "pages",
    (
        Ask("pages-some", True, "6Mi of 8Mi in huge pages", {}, _paged("6Mi")),
        Ask("pages-over", False, "6Mi + 4Mi of 8Mi in huge pages", {}, _paged("4Mi")),
        Ask("pages-rest", True, "6Mi + 2Mi of 8Mi in huge pages", {}, _paged("2Mi")),
    ),
)

POD_LEVEL: dict[str, Any] = {"resources": {"requests": {"cpu": "2"}}}

WHOLE = Sum(
    "pod-level",
    (
        Ask("whole", True, "2 of 3 cpu, for the pod as a whole", {"cpu": "500m"}, POD_LEVEL),
        Ask("beside-whole", False, "2 + 1.5 of 3 cpu", {"cpu": "1500m"}),
    ),
)

POD_LEVEL_SINCE = 34
"""The minor version in which pods got resources of their own by default."""

MANY = {
    **{name: amount for each in (SHAPES, SIDECAR_SHAPES) for name, amount in offers(each).items()},
    **devices("smaller", 1),
    **devices("larger", 4),
    **devices("fill", 3),
    **devices("ended", 2),
    **devices("leaving", 2),
    **devices("shared", 2),
}
"""What the node `many` offers besides the usual."""

CAPACITY = {**MANY, **devices("smaller", 4), **devices("larger", 1), "hugepages-2Mi": "8Mi"}


def with_overhead(amounts: Resources, runtime_class: str) -> dict[str, Any]:
    """The spec of a pod whose init container asks for 3 cpu and whose container asks for 1."""
    return {
        "initContainers": [{"name": "init", "image": "registry.invalid/nothing:1", "resources": asking(amounts)}],
        "runtimeClassName": runtime_class,
    }
