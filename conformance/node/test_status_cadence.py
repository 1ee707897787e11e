"""An agent writes its status when it has to, and in the right form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from conformance.drive.scenarios.node.foreign_edits import EDITS, agent_foreign_edits
from conformance.drive.scenarios.node.idle import agent_idle
from conformance.drive.scenarios.node.start import agent_start
from conformance.drive.scenarios.node.status_refused import agent_status_refused
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen, sent_body
from conformance.record.history import Exchange
from conformance.scenario import judges
from conformance.timing import Window
from conformance.verdict import NotExercised, Violation

TRIES = 5
DRAWN_REPORTS = 34
"""Minor version from which the interval after a change is drawn."""
PATCHED = 6
INFORMED, ASKING = 36, 20
"""Minor versions from which the Node is watched, and up to which it is asked for at each tick."""
"""Minor version from which the status is patched."""


@judges("N-HB-01", reads=agent_idle)
def test_an_unchanged_status_is_written_rarely(seen: AgentSeen) -> None:
    idle = seen.mark("idle").at
    writes = wire.status_writes(seen)
    before = [x for x in writes if x.sent < idle]
    after = next((x for x in writes if x.sent >= idle), None)
    if not before:
        raise NotExercised("the agent never wrote its status", about=seen.node_name)
    report, tick = seen.timing.node_status_report_frequency, seen.timing.status_tick().latest
    exact = Window(report - seen.timing.slack, report + tick)
    window = seen.timing.status_report() if seen.facts.minor >= DRAWN_REPORTS else exact
    pause = (after.sent if after else seen.history.until) - before[-1].sent
    if after is None or pause not in window:
        raise Violation(
            want=f"an unchanged status written again {window}",
            got=f"{'a write' if after else 'none'} after {pause:.2f} s",
            at=before[-1].sent + pause,
            about=seen.node_name,
        )


@judges("N-HB-04", reads=agent_foreign_edits)
def test_a_difference_is_written_soon(seen: AgentSeen) -> Iterator[Violation]:
    window = seen.timing.status_tick()
    for name in EDITS:
        at = seen.mark(name).at
        if not wire.since(wire.status_writes(seen), at, at + window.latest):
            yield Violation(
                want=f"a status write {window} after: {name}", got="none", at=at + window.latest, about=seen.node_name
            )


@judges("N-HB-05", reads=agent_foreign_edits)
def test_the_status_is_patched(seen: AgentSeen) -> Iterator[Violation]:
    writes = [x for x in wire.node_writes(seen) if x.method not in ("POST", "DELETE")]
    if not writes:
        raise NotExercised("the agent wrote nothing", about=seen.node_name)
    for each in writes:
        wrong = _form(seen, each) if seen.facts.minor >= PATCHED else _old_form(each)
        if wrong:
            yield Violation(want="the status written in the proper form", got=wrong, at=each.sent, about=seen.node_name)


def _old_form(each: Exchange) -> str:
    whole = "resourceVersion" in ((sent_body(each) or {}).get("metadata") or {})
    return "" if each.method == "PUT" and whole else f"{each.method}, no PUT of the whole object"


def _form(seen: AgentSeen, each: Exchange) -> str:
    """What is wrong with a write of the status; empty when nothing is."""
    kind = each.headers.get("content-type", "").partition(";")[0]
    if each.method != "PATCH" or kind != "application/strategic-merge-patch+json":
        return f"a {each.method} of {kind}"
    if not each.path.partition("?")[0].endswith("/status"):
        return f"a patch of {each.path}"
    body = sent_body(each)
    if not isinstance(body, dict) or body.get("spec"):
        return f"a patch with a spec: {each.request}"
    before = ((seen.node.state_at(each.sent) or {}).get("status")) or {}
    for field in ("nodeInfo", "capacity", "allocatable", "daemonEndpoints"):
        sent = (body.get("status") or {}).get(field) or {}
        same = [name for name, value in sent.items() if before.get(field, {}).get(name) == value]
        if same:
            return f"a patch with unchanged {field}: {', '.join(same)}"
    return ""


@judges("N-HB-06", reads=agent_status_refused)
def test_a_refused_status_is_tried_five_times_a_tick(seen: AgentSeen) -> Iterator[Violation]:
    healed = seen.mark("master healed").at
    frequency = seen.timing.node_status_update_frequency
    ticks = wire.bursts(wire.status_writes(seen, failed=True), frequency / 2)
    if not ticks:
        raise NotExercised("the agent had nothing to write", about=seen.node_name)
    at_once = any(len(tick) > 1 for tick in ticks)
    for tick in ticks:
        # A try that stands alone may be one that was held up.
        cut = tick is ticks[-1] and healed - tick[-1].sent < seen.timing.slack
        if not (1 if at_once else 2) <= len(tick) <= TRIES and not cut:
            yield Violation(
                want=f"2 to {TRIES} tries at once", got=f"{len(tick)}", at=tick[0].sent, about=seen.node_name
            )
    window = Window(frequency / 2, seen.timing.status_tick().latest)
    for before, after in pairwise(ticks):
        if after[0].sent - before[0].sent not in window:
            yield Violation(
                want=f"the next tries {window}",
                got=f"{after[0].sent - before[0].sent:.2f} s",
                at=after[0].sent,
                about=seen.node_name,
            )
    if healed - ticks[-1][-1].sent > window.latest:
        yield Violation(want="tries at every tick", got="it gave up", at=ticks[-1][-1].sent, about=seen.node_name)
    if not wire.since(wire.status_writes(seen), healed, healed + window.latest):
        yield Violation(want="a write after the recovery", got="none", at=healed, about=seen.node_name)


@judges("N-HB-07", reads=agent_start)
def test_heartbeats_give_up_in_time(seen: AgentSeen) -> Iterator[Violation]:
    timing = seen.timing
    longest = min(timing.node_status_update_frequency, timing.node_lease_duration_seconds)
    for each in (*wire.status_writes(seen), *wire.renewals(seen)):
        if f"timeout={longest:g}s" not in each.path.partition("?")[2].split("&"):
            yield Violation(want=f"timeout={longest:g}s", got=each.path, at=each.sent, about=seen.node_name)


@judges("N-X-13", reads=agent_idle)
def test_the_node_is_read_from_where_it_is_near(seen: AgentSeen) -> None:
    idle, minor = seen.mark("idle").at, seen.facts.minor
    named = f"fieldSelector=metadata.name%3D{seen.node_name}"
    gets = seen.requests("GET", seen.node_path())
    lists = [x for x in seen.requests("GET", wire.NODES) if named in x.path and "watch=" not in x.path]
    writes = wire.status_writes(seen)
    if minor < PATCHED:
        # Every tick writes: there is a read for each.
        asked, ticks = [x for x in lists if "resourceVersion=0" in x.path], len(writes)
    else:
        lived = max((x.sent for x in writes), default=idle) - idle
        asked, ticks = [x for x in (*gets, *lists) if x.sent >= idle], int(lived / seen.timing.status_tick().latest)
    if ticks < 2:
        raise NotExercised("the agent was not seen for two ticks", about=seen.node_name)
    if minor >= INFORMED and asked:
        want, got = "the Node read from what is watched anyhow", f"{len(asked)} requests in {ticks} ticks"
        raise Violation(want=want, got=got, at=idle, about=seen.node_name)
    near = [x for x in asked if "resourceVersion=0" in x.path]
    if minor <= ASKING and len(near) < ticks - 1:
        want = f"the Node asked for with resourceVersion=0 at each of {ticks} ticks"
        raise Violation(want=want, got=f"{len(near)} times", at=idle, about=seen.node_name)


@judges("N-X-13", reads=agent_status_refused)
def test_after_a_failure_the_master_itself_is_read(seen: AgentSeen) -> Iterator[Violation]:
    failed = wire.status_writes(seen, failed=True)
    ticks = wire.bursts(failed, seen.timing.node_status_update_frequency / 2)
    if not any(len(tick) > 1 for tick in ticks):
        raise NotExercised("no write was tried again", about=seen.node_name)
    for tick in ticks:
        for before, after in pairwise(tick):
            between = wire.since(seen.requests("GET", seen.node_path()), before.answered, after.sent)
            if not any("resourceVersion=" not in x.path for x in between):
                want = "the Node read from the master before the next try"
                got = f"{[x.path for x in between]}"
                yield Violation(want=want, got=got, at=after.sent, about=seen.node_name)
