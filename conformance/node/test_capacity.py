"""An agent says what its machine has, and what pods may have of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from conformance.drive.scenarios.node.bound_pods import agent_bound_pods
from conformance.drive.scenarios.node.flags import (
    KUBE,
    MEMORY_KEPT,
    PODS,
    STORAGE_KEPT,
    SYSTEM,
    agent_flags,
)
from conformance.drive.scenarios.node.foreign_edits import CAPACITY, WIDGET, WIDGETS, agent_foreign_edits
from conformance.drive.scenarios.node.odd_flags import MAX_PODS, NO_EVICTION, PODS_PER_CORE, agent_odd_flags
from conformance.drive.scenarios.node.start import agent_start
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.judge.quantities import amount, same
from conformance.record.history import Object
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

CHANGED = {"cpu": "250m", "memory": "50Mi"}
"""How much more is reserved at the second start."""
PAGES = "hugepages-"
GPU = "alpha.kubernetes.io/nvidia-gpu"
EPHEMERAL_STORAGE = 8
"""Minor version from which nodes report their ephemeral storage."""


def _resources(node: Object | None, field: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = ((node or {}).get("status") or {}).get(field) or {}
    return found


def _pages(capacity: Mapping[str, Any]) -> Decimal:
    """Bytes of memory that are huge pages."""
    return sum((amount(text) or Decimal(0) for name, text in capacity.items() if name.startswith(PAGES)), Decimal(0))


def _kept(capacity: Mapping[str, Any], **kept: Decimal) -> dict[str, Decimal]:
    """Amounts that are left of a capacity; huge pages are no memory for pods."""
    kept["memory"] = kept.get("memory", Decimal(0)) + _pages(capacity)
    return {
        name: max((amount(text) or Decimal(0)) - kept.get(name.replace("-", "_"), Decimal(0)), Decimal(0))
        for name, text in capacity.items()
    }


@judges("N-CAP-01", reads=agent_start)
def test_capacity_has_the_basic_resources(seen: AgentSeen) -> Iterator[Violation]:
    capacity = _resources(wire.registration(seen), "capacity")
    names = ["cpu", "memory", "pods"]
    if seen.facts.minor >= EPHEMERAL_STORAGE and "kubelet" in seen.facts.profiles:
        names.append("ephemeral-storage")
    for name in dict.fromkeys((*names, *capacity)):
        value = amount(capacity.get(name))
        if value is None or value < 0:
            yield Violation(want=f"an amount of {name}", got=f"{capacity.get(name)}", about=seen.node_name)


@judges("N-CAP-02", reads=agent_start)
def test_capacity_is_what_the_machine_has(seen: AgentSeen) -> Iterator[Violation]:
    capacity = _resources(wire.registration(seen), "capacity")
    known = {name: seen.facts.expected.get(name) for name in ("cpu", "memory")}
    if None in known.values():
        raise Unsupported("the agent's driver does not say what its machine has")
    for name, want in known.items():
        if not same(capacity.get(name), want):
            yield Violation(want=f"{name} {want}", got=f"{capacity.get(name)}", about=seen.node_name)


@judges("N-CAP-03", reads=agent_flags)
def test_the_number_of_pods_is_as_configured(seen: AgentSeen) -> None:
    got = _resources(wire.registration(seen), "capacity").get("pods")
    if not same(got, PODS):
        raise Violation(want=f"pods {PODS}, as configured", got=f"{got}", about=seen.node_name)


@judges("N-CAP-03", reads=agent_odd_flags)
def test_pods_can_be_limited_by_core(seen: AgentSeen) -> None:
    node = seen.mark(f"{NO_EVICTION} over").facts["node"]
    if node is None:
        raise NotExercised("there was no Node", about=seen.node_name)
    amounts = _resources(node, "capacity")
    want = min(int(amount(amounts.get("cpu")) or 0) * PODS_PER_CORE, MAX_PODS)
    if not same(amounts.get("pods"), str(want)):
        got = f"{amounts.get('pods')} of {amounts.get('cpu')} CPUs"
        raise Violation(want=f"pods {want}: {PODS_PER_CORE} by core", got=got, about=seen.node_name)


@judges("N-CAP-04", reads=agent_start)
def test_gpus_are_extended_resources(seen: AgentSeen) -> None:
    present = GPU in _resources(wire.registration(seen), "capacity")
    if present != (seen.facts.minor < EPHEMERAL_STORAGE):
        want = "absent" if present else "present"
        raise Violation(want=f"{GPU} {want}", got="the contrary", about=seen.node_name)


@judges("N-CAP-05", reads=agent_foreign_edits)
def test_capacity_is_asserted_again(seen: AgentSeen) -> Iterator[Violation]:
    edited = seen.mark("capacity edited")
    want = _resources(edited.facts["before"], "capacity")
    by = edited.at + seen.timing.status_tick().latest
    got = _resources(seen.node.state_at(by), "capacity")
    for name in CAPACITY:
        if not same(got.get(name), want.get(name)):
            yield Violation(
                want=f"{name} {want.get(name)} again within {seen.timing.status_tick()}",
                got=f"{got.get(name)}",
                at=by,
                about=seen.node_name,
            )


@judges("N-CAP-06", reads=agent_foreign_edits)
def test_extended_resources_of_others_stay(seen: AgentSeen) -> Iterator[Violation]:
    by = seen.mark("capacity edited").at + seen.timing.status_tick().latest
    for at in (by, seen.history.until):
        for field in ("capacity", "allocatable"):
            got = _resources(seen.node.state_at(at), field).get(WIDGET)
            if not same(got, WIDGETS):
                yield Violation(want=f"{WIDGETS} of {WIDGET} in {field}", got=f"{got}", at=at, about=seen.node_name)


@judges("N-ALC-01", reads=agent_start)
def test_allocatable_is_a_part_of_capacity(seen: AgentSeen) -> Iterator[Violation]:
    wire.registration(seen)
    for event in seen.node.events:
        capacity, allocatable = _resources(event.after, "capacity"), _resources(event.after, "allocatable")
        if "kubelet" in seen.facts.profiles and sorted(capacity) != sorted(allocatable):
            yield Violation(
                want=f"allocatable of {sorted(capacity)}",
                got=f"{sorted(allocatable)}",
                at=event.at,
                about=seen.node_name,
            )
        for name in capacity.keys() & allocatable.keys():
            whole, part = amount(capacity[name]), amount(allocatable[name])
            if whole is None or part is None or not 0 <= part <= whole:
                yield Violation(
                    want=f"{name} from 0 to {capacity[name]}",
                    got=f"{allocatable[name]}",
                    at=event.at,
                    about=seen.node_name,
                )


@judges("N-ALC-02", reads=agent_flags)
def test_reservations_are_taken_off(seen: AgentSeen) -> Iterator[Violation]:
    node = wire.registration(seen)
    capacity = _resources(node, "capacity")
    evictions = seen.facts.minor >= EPHEMERAL_STORAGE
    storage = amount(capacity.get("ephemeral-storage")) or Decimal(0)
    kept = {name: (amount(KUBE[name]) or Decimal(0)) + (amount(SYSTEM[name]) or Decimal(0)) for name in KUBE}
    if evictions:
        kept["memory"] += amount(MEMORY_KEPT) or Decimal(0)
        kept["ephemeral-storage"] += int(storage * STORAGE_KEPT / 100)
    want = _kept(capacity, **{name.replace("-", "_"): value for name, value in kept.items()})
    yield from _differences(seen, _resources(node, "allocatable"), want)


@judges("N-X-12", reads=agent_flags)
def test_new_reservations_hold_from_the_restart_on(seen: AgentSeen) -> Iterator[Violation]:
    starts = seen.marks("agent starts")
    if len(starts) < 2:
        raise NotExercised("the agent was not started with other reservations", about=seen.node_name)
    window = seen.timing.registered().latest + seen.timing.status_tick().latest
    before, after = seen.node.state_at(starts[1].at), seen.node.state_at(starts[1].at + window)
    for name, more in CHANGED.items():
        was = amount(_resources(before, "allocatable").get(name))
        got = amount(_resources(after, "allocatable").get(name))
        if was is None or got != was - (amount(more) or 0):
            yield Violation(want=f"{more} of {name} less than {was}", got=f"{got}", about=seen.node_name)


@judges("N-ALC-03", reads=agent_start)
def test_by_default_eviction_thresholds_are_taken_off(seen: AgentSeen) -> Iterator[Violation]:
    if seen.facts.expected.get("reserved") == "nothing":
        raise Unsupported("the agent reserves nothing, says its driver")
    node = wire.registration(seen)
    capacity = _resources(node, "capacity")
    storage = amount(capacity.get("ephemeral-storage")) or Decimal(0)
    want = _kept(capacity, memory=Decimal(100 * 1024 * 1024), ephemeral_storage=Decimal(int(storage / 10)))
    yield from _differences(seen, _resources(node, "allocatable"), want)


@judges("N-ALC-04", reads=agent_flags)
def test_soft_and_image_thresholds_reserve_nothing(seen: AgentSeen) -> Iterator[Violation]:
    node = wire.registration(seen)
    capacity, allocatable = _resources(node, "capacity"), _resources(node, "allocatable")
    for name, kept in (
        ("memory", amount(MEMORY_KEPT) or Decimal(0)),
        ("ephemeral-storage", Decimal(int((amount(capacity.get("ephemeral-storage")) or 0) * STORAGE_KEPT / 100))),
    ):
        reserved = (amount(KUBE[name]) or Decimal(0)) + (amount(SYSTEM[name]) or Decimal(0))
        reserved += _pages(capacity) if name == "memory" else 0
        taken = (amount(capacity.get(name)) or Decimal(0)) - (amount(allocatable.get(name)) or Decimal(0)) - reserved
        if abs(taken - kept) > 1:
            yield Violation(want=f"{kept} of {name} kept for hard eviction", got=f"{taken}", about=seen.node_name)


@judges("N-X-09", reads=agent_start)
def test_huge_pages_are_capacity(seen: AgentSeen) -> Iterator[Violation]:
    capacity = _resources(wire.registration(seen), "capacity")
    known = {name: text for name, text in seen.facts.expected.items() if name.startswith(PAGES)}
    told = {name: text for name, text in capacity.items() if name.startswith(PAGES)}
    if not known and not told:
        raise Unsupported("the machine has no huge pages, or its driver does not say")
    for name, want in known.items():
        if not same(told.get(name), want):
            yield Violation(want=f"{name} {want}", got=f"{told.get(name)}", about=seen.node_name)
    for name, text in told.items():
        size, held = amount(name.removeprefix(PAGES)), amount(text)
        if not size or held is None or held % size:
            yield Violation(want=f"whole pages of {name}", got=f"{text}", about=seen.node_name)


@judges("N-ALC-05", reads=agent_flags)
def test_huge_pages_are_no_memory_for_pods(seen: AgentSeen) -> None:
    node = wire.registration(seen)
    capacity, allocatable = _resources(node, "capacity"), _resources(node, "allocatable")
    pages = _pages(capacity)
    if not pages:
        raise Unsupported("the machine has no huge pages")
    kept = sum((amount(text) or Decimal(0) for text in (KUBE["memory"], SYSTEM["memory"], MEMORY_KEPT)), Decimal(0))
    taken = (amount(capacity.get("memory")) or Decimal(0)) - (amount(allocatable.get("memory")) or Decimal(0)) - kept
    if taken != pages:
        want = f"{pages} bytes of huge pages taken off allocatable memory"
        raise Violation(want=want, got=f"{taken}", about=seen.node_name)


@judges("N-ALC-07", reads=agent_bound_pods)
def test_running_pods_take_nothing_off(seen: AgentSeen) -> Iterator[Violation]:
    if not seen.mark("pods run").facts["all"]:
        raise NotExercised("not all pods came up", about=seen.node_name)
    before, after = seen.mark("before pods").facts["node"], seen.node.last
    for field in ("capacity", "allocatable"):
        want, got = _resources(before, field), _resources(after, field)
        for name in dict.fromkeys((*want, *got)):
            if not same(got.get(name), want.get(name)):
                yield Violation(
                    want=f"{field} of {name} still {want.get(name)}", got=f"{got.get(name)}", about=seen.node_name
                )


def _differences(seen: AgentSeen, got: Mapping[str, Any], want: Mapping[str, Decimal]) -> Iterator[Violation]:
    """Amounts that differ by more than the byte that a percentage may be rounded by."""
    if not want:
        raise NotExercised("the agent reports no capacity", about=seen.node_name)
    for name, value in want.items():
        found = amount(got.get(name))
        if found is None or abs(found - value) > 1:
            yield Violation(want=f"allocatable {name} {value}", got=f"{got.get(name)}", about=seen.node_name)
