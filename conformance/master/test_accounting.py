"""What fits on a node: what it offers, less what the pods on it request, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from conformance.drive.scenarios.master import accounting_sums as sums
from conformance.drive.scenarios.master.accounting import accounting
from conformance.judge import events, placing
from conformance.judge.pods import terminating
from conformance.judge.seen import Seen
from conformance.judge.sums import come_out
from conformance.kinds import RUNTIME_CLASS
from conformance.record.history import ObjectEvent
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


@judges("M-SCHED-05", reads=accounting)
def test_a_node_is_filled_to_the_last_piece(seen: Seen) -> Iterator[Violation]:
    placing.alone(seen, "exact")
    yield from come_out(seen, *sums.NATIVE)


@judges("M-SCHED-06", reads=accounting)
def test_allocatable_counts(seen: Seen) -> Iterator[Violation]:
    yield from come_out(seen, *sums.OFFERED)


@judges("M-SCHED-07", reads=accounting)
def test_requests_count(seen: Seen) -> Iterator[Violation]:
    placing.alone(seen, "limited")
    yield from come_out(seen, sums.REQUESTED)


@judges("M-SCHED-07", reads=accounting)
def test_a_limit_alone_is_a_request(seen: Seen) -> Iterator[Violation]:
    placing.alone(seen, "limited")
    yield from come_out(seen, sums.DEFAULTED)
    story = seen.pod("limit-only")
    state = story.events[0].after or {}
    got = state["spec"]["containers"][0]["resources"].get("requests")
    if got != {"memory": "2Gi"}:
        want = "requests {'memory': '2Gi'} in the pod's spec"
        yield Violation(want=want, got=f"requests {got}", at=story.events[0].at, about=story.name)


@judges("M-SCHED-08", reads=accounting)
def test_containers_add_up_and_init_containers_do_not(seen: Seen) -> Iterator[Violation]:
    yield from come_out(seen, *sums.shaped(sums.SHAPES))


@judges("M-SCHED-08", reads=accounting)
def test_overhead_comes_on_top(seen: Seen) -> Iterator[Violation]:
    need = "it needs max(1, 3) + 1 of 4 cpu"
    yield from _fits_alone(seen, "wrapped", "blocker", f"{need}, 1m is taken", f"{need}, and all is free")


@judges("M-SCHED-08", reads=accounting)
def test_overhead_counts_where_nothing_is_requested(seen: Seen) -> Iterator[Violation]:
    kept, free = "its overhead is all of 1Gi memory, a byte is taken", "its overhead is 1Gi of memory, and all is free"
    yield from _fits_alone(seen, "padded", "padder", kept, free)


def _fits_alone(seen: Seen, role: str, other: str, kept: str, free: str) -> Iterator[Violation]:
    """A pod with overhead fits its node once another pod has left it; why it did not before, and why then."""
    if not seen.facts.served(RUNTIME_CLASS):
        raise Unsupported("the target does not serve RuntimeClasses")
    placing.alone(seen, role)
    freed = seen.mark(f"{other} is removed").at
    yield from placing.kept_out(seen, f"{role}-pod", why=kept, until=freed)
    yield from placing.placed(seen, f"{role}-pod", role, why=free)


@judges("M-SCHED-09", reads=accounting)
def test_sidecars_add_to_all_that_comes_after_them(seen: Seen) -> Iterator[Violation]:
    yield from come_out(seen, *sums.shaped(sums.SIDECAR_SHAPES))


@judges("M-SCHED-10", reads=accounting)
def test_a_pod_may_request_as_a_whole(seen: Seen) -> Iterator[Violation]:
    story = seen.pod("whole")
    if not story.events or "resources" not in (story.events[0].after or {})["spec"]:
        raise Unsupported("the target drops the pod's own resources")
    placing.alone(seen, "pod-level")
    yield from come_out(seen, sums.WHOLE)


@judges("M-SCHED-11", reads=accounting)
def test_pods_need_slots(seen: Seen) -> Iterator[Violation]:
    placing.alone(seen, "slots")
    ended = seen.mark("slot-1 ends").at
    for ask in sums.SLOTS.asks:
        if ask.fits:
            yield from placing.placed(seen, ask.role, "slots", why=ask.why)
        else:
            yield from placing.kept_out(seen, ask.role, why=ask.why, until=ended)


@judges("M-SCHED-11", reads=accounting)
def test_a_node_that_names_no_slots_has_none(seen: Seen) -> Iterator[Violation]:
    yield from come_out(seen, sums.SLOTLESS)


@judges("M-SCHED-12", reads=accounting)
def test_devices_are_counted(seen: Seen) -> Iterator[Violation]:
    yield from come_out(seen, *sums.DEVICES)


@judges("M-SCHED-29", reads=accounting)
def test_huge_pages_are_counted(seen: Seen) -> Iterator[Violation]:
    yield from come_out(seen, sums.PAGES)


@judges("M-SCHED-13", reads=accounting)
def test_who_requests_nothing_fits_on_a_full_node(seen: Seen) -> Iterator[Violation]:
    full = all(placing.binding(seen.pod(role)) for role in ("cpu-rest", "memory-rest", "disk-rest"))
    if not full:
        raise NotExercised("the node was never full", about=seen.name("exact"))
    yield from come_out(seen, sums.EMPTY)
    yield from placing.placed(seen, "modest", "overfull", why="it requests nothing; 2 of 1 cpu are taken")


@judges("M-SCHED-14", reads=accounting)
def test_pods_that_have_ended_do_not_count(seen: Seen) -> Iterator[Violation]:
    yield from _inherits(seen, "heir", "many", ("done", "failed"))


@judges("M-SCHED-14", reads=accounting)
def test_pods_that_have_ended_take_no_slot(seen: Seen) -> Iterator[Violation]:
    placing.alone(seen, "slots")
    yield from _inherits(seen, "slot-3", "slots", ("slot-1",))


@judges("M-SCHED-14", reads=accounting)
def test_cpu_memory_and_storage_of_an_ended_pod_are_free(seen: Seen) -> Iterator[Violation]:
    placing.alone(seen, "spent")
    yield from _inherits(seen, "successor", "spent", ("spender",))


@judges("M-SCHED-15", reads=accounting)
def test_terminating_pods_have_their_slot(seen: Seen) -> Iterator[Violation]:
    placing.alone(seen, "slots")
    released = seen.mark("slot-2 is removed").at
    if not terminating(seen.pod("slot-2").state_at(released)) or placing.binding(seen.pod("slot-3")) is None:
        raise NotExercised("no pod stayed terminating on a full node", about=seen.name("slot-2"))
    yield from placing.kept_out(seen, "slot-4", why="2 of 2 slots are taken, by a terminating pod", until=released)


@judges("M-SCHED-15", reads=accounting)
def test_terminating_pods_count(seen: Seen) -> Iterator[Violation]:
    released = seen.mark("leaving is removed").at
    if not terminating(seen.pod("leaving").state_at(released)):
        raise NotExercised("the pod did not stay terminating", about=seen.name("leaving"))
    for role in ("patient", "late"):
        yield from placing.kept_out(seen, role, why="the terminating pod has 2 of 2 devices", until=released)


@judges("M-SCHED-16", reads=accounting)
def test_pods_that_name_their_node_count(seen: Seen) -> Iterator[Violation]:
    for role in ("crowded-out", "crowded-out-2"):
        why = "pods that name the node have 2 of 2 devices, one of them in another namespace"
        yield from placing.kept_out(seen, role, why=why)


@judges("M-SCHED-16", reads=accounting)
def test_nobody_is_evicted_from_a_crowded_node(seen: Seen) -> Iterator[Violation]:
    for role in ("direct-1", "direct-2", "direct-3", "glutton"):
        story = seen.pod(role)
        if not story.events:
            raise NotExercised(f"the pod {role} was never there", about=story.name)
        gone = next((event for event in story.events if event.after is None or terminating(event.after)), None)
        if gone:
            want = "the pod left alone, beyond what is allocatable and without the label it selects"
            yield Violation(want=want, got="it was deleted", at=gone.at, about=story.name)


def _inherits(seen: Seen, heir: str, node: str, ended: tuple[str, ...]) -> Iterator[Violation]:
    """A pod takes the place of others that have ended and are still there."""
    before = seen.mark(f"{ended[0]} ends").at
    if placing.refusal(seen.pod(heir).until(before)) is None:
        raise NotExercised("the pod did not have to wait", about=seen.name(heir))
    gone = [story.name for story in map(seen.pod, ended) if story.last is None]
    if gone:
        raise NotExercised(f"{gone[0]} was removed by somebody else", about=gone[0])
    yield from placing.placed(seen, heir, node, why=f"{' and '.join(ended)} ended")


@judges("M-SCHED-20", reads=accounting)
def test_refused_pods_say_so(seen: Seen) -> Iterator[Violation]:
    for event in _refusals(seen):
        state = event.after or {}
        found = next(c for c in state["status"]["conditions"] if c["type"] == "PodScheduled")
        got = {"reason": found.get("reason"), "phase": state["status"].get("phase")}
        want = {"reason": "Unschedulable", "phase": "Pending"}
        if got != want:
            yield Violation(want=f"PodScheduled=False, {want}", got=str(got), at=event.at, about=event.name)
        text = str(found.get("message", ""))
        if " nodes are available" not in text:
            phrase = "a message '0/N nodes are available: ...'"
            yield Violation(want=phrase, got=text, at=event.at, about=event.name, level="SHOULD")


@judges("M-SCHED-20", reads=accounting)
def test_a_pod_without_room_is_declared_unschedulable(seen: Seen) -> Iterator[Violation]:
    asks = [ask for ask in chain(*(each.asks for each in sums.DEVICES)) if not ask.fits]
    for ask in asks:
        story = seen.pod(ask.role)
        if story.events and not any(placing.answered(event.after) for event in story.events):
            yield Violation(want=f"PodScheduled=False: {ask.why}", got="no word from the scheduler", about=story.name)


@judges("M-SCHED-20", reads=accounting)
def test_a_binding_is_one_write(seen: Seen) -> Iterator[Violation]:
    for story in seen.history.stories("Pod"):
        event = placing.binding(story)
        if event is None or event.before is None or event.relisted:
            continue
        conditions = ((event.after or {}).get("status") or {}).get("conditions") or []
        got = [c["status"] for c in conditions if c["type"] == "PodScheduled"]
        if got != ["True"]:
            want = "spec.nodeName and PodScheduled=True in one write"
            yield Violation(want=want, got=f"nodeName with PodScheduled {got}", at=event.at, about=story.name)


@judges("M-SCHED-20", reads=accounting)
def test_the_scheduler_says_what_it_did(seen: Seen) -> Iterator[Violation]:
    yield from _announced(seen, "fill-two", "Scheduled", "Normal")
    yield from _announced(seen, "fill-more", "FailedScheduling", "Warning")


def _refusals(seen: Seen) -> Iterator[ObjectEvent]:
    found = [event for event in map(placing.refusal, seen.history.stories("Pod")) if event]
    if not found:
        raise NotExercised("no pod was declared unschedulable")
    yield from found


def _announced(seen: Seen, role: str, reason: str, kind: str) -> Iterator[Violation]:
    """Events may be dropped, so what is said by them alone is a SHOULD."""
    about = seen.name(role)
    if not (placing.binding(seen.pod(role)) or placing.refusal(seen.pod(role))):
        raise NotExercised("the scheduler did not decide about the pod", about=about)
    said = [(event.reason, event.type) for event in events.said(seen, role)]
    if (reason, kind) not in said:
        want = f"a {kind} event {reason}"
        yield Violation(want=want, got=f"events {said}" if said else "no event", about=about, level="SHOULD")
