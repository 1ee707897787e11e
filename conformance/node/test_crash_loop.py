"""An agent restarts what crashes, ever more slowly, and forgets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from conformance.drive.scenarios.node.crash_loop import CODE, agent_crash_loop, crashes
from conformance.judge import agent_pods as pods
from conformance.judge.agent import AgentSeen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


def _pauses(seen: AgentSeen) -> list[tuple[int, datetime, float]]:
    """Restarts, with the end before each and the pause after it."""
    found = pods.pauses(seen, "crashing", "c1")
    if not found:
        raise NotExercised("no restart after a crash was told", about=seen.naming.name("crashing"))
    return found


@judges("N-POD-09", reads=agent_crash_loop)
def test_waits_between_crashes_double_up_to_a_limit(seen: AgentSeen) -> Iterator[Violation]:
    pauses, wanted = _pauses(seen), crashes(seen.timing)
    for number, end, pause in pauses:
        window = seen.timing.restarted(number)
        if number <= wanted and pause not in window:
            about, at = seen.naming.name("crashing"), seen.history.moment(end)
            yield Violation(want=f"restart {number} {window} after the end", got=f"{pause:.0f} s", at=at, about=about)
    told = pods.attempts(seen, "crashing", "c1")[-1].number
    if told < wanted:
        yield Violation(want=f"{wanted} restarts", got=f"{told}", about=seen.naming.name("crashing"))


@judges("N-POD-09", reads=agent_crash_loop)
def test_a_long_run_is_forgiven(seen: AgentSeen) -> None:
    at = seen.mark("crashed often").at
    (_, end, pause), window = _pauses(seen)[-1], seen.timing.restarted(1)
    if pause not in window or seen.history.moment(end) < at:
        want = f"a restart {window} after the end of a run of more than {seen.timing.forgiven():.0f} s"
        raise Violation(want=want, got=f"{pause:.0f} s", at=at, about=seen.naming.name("crashing"))


@judges("N-RT-01", reads=agent_crash_loop)
def test_the_end_of_a_container_is_noticed_soon(seen: AgentSeen) -> Iterator[Violation]:
    window, told = seen.timing.exit_noticed(), list(pods.runs(seen, "crashing", "c1"))
    for mark in seen.marks("crash"):
        noticed = next((at for at, end in told if at >= mark.at and end.get("exitCode") == CODE), None)
        if noticed is None or noticed - mark.at not in window:
            got = "never" if noticed is None else f"{noticed - mark.at:.2f} s"
            about = seen.naming.name("crashing")
            yield Violation(want=f"the end told {window} after it", got=got, at=mark.at, about=about)
