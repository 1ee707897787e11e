"""The eviction manager's decisions: is the node under pressure, must a pod go, and which.

Pure functions; the loop is in `pressure`. Source: kubelet 1.36 `eviction_manager`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from refimpl.api import quantity, taints
from refimpl.api.errors import Object
from refimpl.api.transient import transient
from refimpl.kubelet import resources
from refimpl.kubelet.era import Era
from refimpl.kubelet.machine.stats import Observation, PodUsage, Signal
from refimpl.kubelet.thresholds import PRESSURES, RESOURCE_OF, Pressure, Threshold

Observations = Mapping[Signal, Observation]
UsageOf = Callable[[Object], PodUsage | None]

REASON = "Evicted"


@transient
class EvictionState:
    """What the manager remembers from one round to the next. Times are monotonic seconds.

    Attributes:
        conditions: pressures in force.
        first_met: since when each threshold has been crossed without interruption.
        last_pressed: when each pressure was last seen.
    """

    conditions: tuple[Pressure, ...] = ()
    first_met: Mapping[Threshold, float] = attrs.field(factory=dict)
    last_pressed: Mapping[Pressure, float] = attrs.field(factory=dict)


def observe(
    state: EvictionState,
    thresholds: Iterable[Threshold],
    observations: Observations,
    now: float,
    *,
    transition_period: float,
) -> EvictionState:
    """The next state: which thresholds are crossed, which pressures hold.

    A threshold that was crossed stays so until its minimum reclaim is reached, and a pressure outlives its cause by
    `transition_period` seconds, so that neither flaps.
    """
    first_met: dict[Threshold, float] = {}
    for threshold in thresholds:
        if is_met(threshold, observations, reclaiming=threshold in state.first_met):
            first_met[threshold] = state.first_met.get(threshold, now)
    last_pressed = {**state.last_pressed, **{threshold.condition: now for threshold in first_met}}
    conditions = tuple(
        pressure
        for pressure in PRESSURES
        if pressure in last_pressed and pressure_holds(last_pressed[pressure], now, transition_period)
    )
    return EvictionState(conditions, first_met, last_pressed)


def is_met(threshold: Threshold, observations: Observations, *, reclaiming: bool) -> bool:
    """Whether less is available than the threshold allows."""
    observed = observations.get(threshold.signal)
    if observed is None:
        return False
    bound = threshold.amount.of(observed.capacity)
    if reclaiming:
        bound += threshold.minimum_reclaim.of(observed.capacity)
    return observed.available < bound


def pressure_holds(last_pressed: float, now: float, transition_period: float) -> bool:
    """Whether a pressure last seen then is still reported now."""
    return now - last_pressed < transition_period or now == last_pressed


def threshold_to_reclaim(state: EvictionState, now: float) -> Threshold | None:
    """The threshold for which a pod must go now: crossed for its whole grace period; memory comes first."""
    due = [
        threshold
        for threshold, since in state.first_met.items()
        if threshold.grace is not None and now - since >= threshold.grace
    ]
    return min(due, key=lambda threshold: threshold.signal != "memory.available", default=None)


def rank(signal: Signal, pods: Iterable[Object], usage_of: UsageOf) -> list[Object]:
    """Pods in the order in which they are evicted: over their requests first, then low priority, then by usage."""
    keyed = [(_rank_key(signal, pod, usage_of(pod)), index, pod) for index, pod in enumerate(pods)]
    return [pod for _, _, pod in sorted(keyed, key=lambda entry: entry[:2])]


def choose(signal: Signal, pods: Iterable[Object], usage_of: UsageOf) -> Object | None:
    """The pod to evict; None when only critical ones are left."""
    return next((pod for pod in rank(signal, pods, usage_of) if not resources.is_critical(pod)), None)


def grace_period(threshold: Threshold, longest: int, era: Era) -> int:
    """Seconds an evicted pod gets: next to none for a hard threshold."""
    if not threshold.hard:
        return longest
    return 1 if era.eviction_details else 0


def message(threshold: Threshold, observations: Observations, pod: Object, usage: PodUsage | None, era: Era) -> str:
    """Why the pod was evicted, as its status tells it."""
    resource = RESOURCE_OF[threshold.signal]
    text = f"The node was low on resource: {resource}. "
    observed = observations.get(threshold.signal)
    if era.eviction_details and observed is not None:
        bound = _shown(threshold.amount.of(observed.capacity), resource)
        text += f"Threshold quantity: {bound}, available: {_shown(observed.available, resource)}. "
    containers = pod["spec"]["containers"]
    if usage is None or len(containers) != 1 or resource not in {"memory", "ephemeral-storage"}:
        return text
    used = usage.memory if resource == "memory" else usage.disk
    request = resources.pod_requests(pod).get(resource, 0)
    if used <= request:
        return text
    name, shown = containers[0]["name"], _shown(request, resource)
    if era.eviction_details:
        more = f"request is {shown}, has larger consumption of {resource}. "
    else:
        more = f"which exceeds its request of {shown}. "
    return f"{text}Container {name} was using {_shown(used, resource)}, {more}"


def rejection(conditions: Sequence[Pressure], pod: Object) -> str | None:
    """Why a new pod is not admitted under the pressures in force; None when it is.

    Under memory pressure alone only BestEffort pods that do not tolerate it are kept out; under any other pressure all
    but critical pods are.
    """
    pressures = [condition for condition in conditions if condition != "OutOfDisk"]
    if not pressures or resources.is_critical(pod):
        return None
    memory_only = pressures == ["MemoryPressure"]
    if memory_only and (resources.qos_class(pod) != "BestEffort" or _tolerates_memory_pressure(pod)):
        return None
    return f"The node had condition: [{' '.join(pressures)}]. "


def _tolerates_memory_pressure(pod: Object) -> bool:
    taint = {"key": taints.MEMORY_PRESSURE, "effect": taints.NO_SCHEDULE}
    return taints.first_tolerating(taints.tolerations_of(pod), taint) is not None


def _rank_key(signal: Signal, pod: Object, usage: PodUsage | None) -> tuple[bool, bool, int, int]:
    """Sort key: unknown usage first, then over requests, low priority, large surplus."""
    if usage is None:
        return (False, False, resources.priority(pod), 0)
    if signal == "pid.available":
        return (True, False, resources.priority(pod), -usage.processes)
    resource = RESOURCE_OF[signal]
    used = {"memory": usage.memory, "ephemeral-storage": usage.disk, "inodes": usage.inodes}[resource]
    surplus = used - resources.pod_requests(pod).get(resource, 0)
    return (True, surplus <= 0, resources.priority(pod), -surplus)


def _shown(amount: int, resource: str) -> str:
    return quantity.to_text(amount, "BinarySI" if resource in {"memory", "ephemeral-storage"} else "DecimalSI")
