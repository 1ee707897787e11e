"""Two pods cannot have one port of a node."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.host_ports import host_ports, pairs
from conformance.judge import placing
from conformance.judge.pods import terminating
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-SCHED-19", reads=host_ports)
def test_ports_conflict_by_protocol_number_and_address(seen: Seen) -> Iterator[Violation]:
    for name, (first, second, fits) in pairs(seen.facts.minor).items():
        if placing.binding(seen.pod(f"{name}-1")) is None:
            raise NotExercised("no pod had the port", about=seen.name(f"{name}-1"))
        why = f"{second} beside {first}"
        if fits:
            yield from placing.placed(seen, f"{name}-2", "host", why=why)
        else:
            yield from placing.kept_out(seen, f"{name}-2", why=why)


@judges("M-SCHED-15", reads=host_ports)
def test_terminating_pods_hold_their_port(seen: Seen) -> Iterator[Violation]:
    released = seen.mark("leaving is removed").at
    if not terminating(seen.pod("leaving").state_at(released)):
        raise NotExercised("the pod did not stay terminating", about=seen.name("leaving"))
    yield from placing.kept_out(seen, "patient", why="a terminating pod has the port", until=released)


@judges("M-SCHED-14", reads=host_ports)
def test_pods_that_have_ended_hold_no_port(seen: Seen) -> Iterator[Violation]:
    ended = seen.mark("ended ends").at
    if placing.refusal(seen.pod("heir").until(ended)) is None:
        raise NotExercised("the pod did not have to wait", about=seen.name("heir"))
    yield from placing.placed(seen, "heir", "host", why="the pod that had the port has ended")
