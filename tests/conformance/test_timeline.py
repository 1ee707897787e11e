"""The timeline of a failure: what happened to the objects concerned, and nothing that explains nothing."""

from __future__ import annotations

from conformance.record.history import Gap
from conformance.report.timeline import lines, rows
from tests.conformance.tales import Tale, condition, node


def told(tale: Tale) -> str:
    return "\n".join(lines(rows(tale.seen(60).history, (), None, 0.0, tale.naming.prefix)))


def test_beats_between_two_marks_are_one_line():
    tale = Tale().mark(1, "victim registered", node=Tale().naming.name("victim"))
    for second in range(2, 9):
        tale.beat(second, "victim")
    assert "+8.10 s  7 heartbeats of victim, the last by lease" in told(tale)


def test_a_watch_that_told_nothing_is_shown_when_that_took_long_enough_to_matter():
    tale = Tale().mark(10, "victim registers")
    tale.gaps = [
        Gap(0, 2, "Lease", "too early to matter", lossy=False),
        Gap(20, 20.02, "Pod", "too short to matter", lossy=False),
        Gap(30, 33.5, "Node", "the connection broke", lossy=True),
    ]
    assert told(tale).splitlines() == [
        "   +10.00 s  —— victim registers",
        "   +33.50 s  (the watch on Node told nothing for 3.5 s: the connection broke)",
    ]


def test_a_line_says_what_happened_to_whom_in_short_names():
    tale = Tale().mark(0, "victim registers")
    tale.object(1, "Node", "victim", node(condition(Tale(), 1, "Ready", "True")))
    about = {"kind": "Node", "name": tale.naming.name("victim")}
    said = {"metadata": {}, "involvedObject": about, "reason": "Stopped", "message": f"Node {about['name']} is quiet"}
    tale.object(2, "Event", "said", said)
    tale.object(3, "Node", "victim", None)
    assert told(tale).splitlines()[1:] == [
        "    +1.00 s  Node victim: created, Ready absent → True (KubeletReady)",
        "    +2.00 s  Event Stopped about victim: Node victim is quiet",
        "    +3.00 s  Node victim: deleted",
    ]
