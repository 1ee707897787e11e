"""How fast the nodes of a zone are tainted, and when that stops."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from conformance.drive.scenarios.master.zones import (
    EARLY,
    EXEMPT,
    HALF,
    LATE,
    PART,
    RATE,
    REGIONS,
    SILENT,
    UNBORN,
    WHOLE,
    zones,
)
from conformance.judge import silence as silences
from conformance.judge import taints, windows
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, UNREACHABLE
from conformance.judge.windows import Start
from conformance.scenario import judges
from conformance.timing import Window
from conformance.verdict import NotExercised, Unsupported, Violation

FIRSTS = (RATE, WHOLE, EXEMPT)
"""Zones that lose nodes at the same moment."""


@judges("M-ZONE-01", reads=zones)
def test_a_zone_gets_its_taints_one_after_the_other(seen: Seen) -> Iterator[Violation]:
    yield from _one_by_one(seen, RATE)


@judges("M-ZONE-01", reads=zones)
def test_each_zone_has_a_rate_of_its_own(seen: Seen) -> Iterator[Violation]:
    for zone in FIRSTS:
        yield from _first_comes(seen, zone)
    waits = [wait for zone in FIRSTS if (wait := _wait(seen, zone)) is not None]
    # A node may miss its turn; not that of every zone.
    window = seen.timing.no_execute_taint_in_turn()
    if waits and min(waits) > window.latest:
        want, got = f"a zone's first taint within {window.latest:g} s", f"{min(waits):.2f} s at the earliest"
        yield Violation(want=want, got=got, about=tuple(name for zone in FIRSTS for name in _names(seen, zone)))


@judges("M-ZONE-08", reads=zones)
def test_zones_of_two_regions_are_two_zones(seen: Seen) -> Iterator[Violation]:
    for roles in REGIONS.values():
        yield from _one_by_one(seen, roles)


@judges("M-ZONE-02", reads=zones)
def test_a_zone_that_is_mostly_down_gets_no_more_taints(seen: Seen) -> Iterator[Violation]:
    down, back = seen.mark("part is mostly down").at, seen.mark("early returns").at
    flipped = max(_flips(seen, LATE))
    rate = seen.timing.rate_when_mostly_down(PART)
    came = [at for at in _tainted(seen, LATE) if at <= back]
    # Taints are handed out while the pass that will stop them is still going on: one, and what the rate allows besides.
    slipping = 1 + int(seen.timing.node_eviction_rate * seen.timing.slack)
    latest = flipped + seen.timing.no_execute_taint_in_turn().latest
    if not rate and (len(came) > slipping or any(at > latest for at in came)):
        want = f"no further {UNREACHABLE}:{NO_EXECUTE} while most of the zone is down"
        got = f"{len(came)} within {back - down:.0f} s"
        yield Violation(want=want, got=got, at=came[-1], about=_names(seen, LATE))
    if rate and (not came or any(_hasty(seen, LATE, rate))):
        want = f"a taint each {1 / rate:g} s in a large zone that is mostly down"
        yield Violation(want=want, got=f"{len(came)} within {back - down:.0f} s", about=_names(seen, LATE))


@judges("M-ZONE-02", reads=zones)
def test_a_zone_of_which_half_is_down_is_healthy(seen: Seen) -> Iterator[Violation]:
    threshold = seen.timing.unhealthy_zone_threshold
    if threshold <= 0.5:
        raise Unsupported(f"the target takes {threshold:g} of a zone for most of it")
    yield from _one_by_one(seen, HALF)


@judges("M-ZONE-02", reads=zones)
def test_taints_stay_while_most_of_the_zone_is_down(seen: Seen) -> None:
    story = seen.node(EARLY).until(seen.mark("early returns").at)
    span = taints.first(story, UNREACHABLE, NO_EXECUTE)
    if span is None:
        raise NotExercised("the zone's first silent node was never tainted", about=story.name)
    if span.until is not None:
        want = f"{UNREACHABLE}:{NO_EXECUTE} still there"
        raise Violation(want=want, got="it was taken off", at=span.until, about=story.name)


@judges("M-ZONE-02", reads=zones)
def test_taints_come_again_when_the_zone_recovers(seen: Seen) -> Iterator[Violation]:
    taints.require_resumption(seen.timing)
    recovered = seen.mark("early recovered").at
    for role in LATE:
        silences.flip(seen, role)
    came = _tainted(seen, LATE)
    for position in range(1, len(LATE) + 1):
        at = came[position - 1] if len(came) >= position else None
        window = seen.timing.no_execute_taint_resumed(position)
        start = Start(recovered, recovered, "the return of one node")
        what = f"taint {position} of {len(LATE)}"
        at = max(at, recovered) if at else None
        yield from windows.misses(what, at, start, window, until=seen.history.until, about=_names(seen, LATE))


@judges("M-ZONE-03", reads=zones)
def test_a_zone_that_is_entirely_down_gets_its_taints(seen: Seen) -> Iterator[Violation]:
    yield from _one_by_one(seen, WHOLE)


@judges("M-ZONE-06", reads=zones)
def test_neither_unknown_nor_noschedule_waits_for_anything(seen: Seen) -> Iterator[Violation]:
    window = Window(0, seen.timing.unknown_after_silence().latest)
    turns = {role: silences.turn(seen, role) for role in SILENT}
    if not any(turns.values()):
        raise NotExercised("no silent node ever became Unknown", about=_names(seen, SILENT))
    for role, turn in turns.items():
        quiet = silences.silence(seen, role)
        at = turn.at if turn else None
        start = windows.beat(quiet.last)
        yield from windows.misses("Ready=Unknown", at, start, window, until=quiet.until, about=quiet.node)
        if turn:
            story = seen.node(role).until(quiet.until)
            unknown = Start(turn.at, turn.at, "Ready=Unknown")
            yield from taints.comes(story, UNREACHABLE, NO_SCHEDULE, unknown, seen.timing.no_schedule_taint())


@judges("M-ZONE-07", reads=zones)
def test_excluded_nodes_do_not_count_but_are_tainted(seen: Seen) -> Iterator[Violation]:
    yield from _one_by_one(seen, EXEMPT)


@judges("M-ZONE-07", reads=zones)
def test_nodes_without_ready_condition_count_as_not_ready(seen: Seen) -> None:
    last = max(_flips(seen, UNBORN))
    watched = seen.history.until - last
    if watched < seen.timing.no_execute_taint_in_turn(2).latest:
        raise NotExercised(f"the zone was watched for {watched:.0f} s only", about=_names(seen, UNBORN))
    came = _tainted(seen, UNBORN)
    if not seen.timing.rate_when_mostly_down(PART) and len(came) > 1:
        want = f"no further {UNREACHABLE}:{NO_EXECUTE} in a zone with one Ready node of five"
        got = f"{len(came)} within {watched:.0f} s"
        raise Violation(want=want, got=got, at=came[-1], about=_names(seen, UNBORN))


def _wait(seen: Seen, zone: tuple[str, ...]) -> float | None:
    """Seconds from the first flip in a zone to its first taint; None without one."""
    came = _tainted(seen, zone)
    return came[0] - min(_flips(seen, zone)) if came else None


def _flips(seen: Seen, zone: tuple[str, ...]) -> list[float]:
    return [silences.flip(seen, role).at for role in zone]


def _first_comes(seen: Seen, zone: tuple[str, ...]) -> Iterator[Violation]:
    """The first taint of a zone waits for no other zone."""
    flipped, came = max(_flips(seen, zone)), _tainted(seen, zone)
    at = max(came[0], flipped) if came else None
    start, until = Start(flipped, flipped, "Ready=Unknown"), seen.history.until
    what = f"the zone's first {UNREACHABLE}:{NO_EXECUTE}"
    yield from windows.misses(what, at, start, seen.timing.no_execute_taint(), until=until, about=_names(seen, zone))


def _one_by_one(seen: Seen, zone: tuple[str, ...]) -> Iterator[Violation]:
    """All nodes of a zone get their NoExecute taints, as fast as its rate allows and no faster."""
    yield from _first_comes(seen, zone)
    flipped, came = max(_flips(seen, zone)), _tainted(seen, zone)
    about = _names(seen, zone)
    for position, before in enumerate(came[: len(zone) - 1], 2):
        since = max(before, flipped)
        at = max(came[position - 1], since) if len(came) >= position else None
        start, window = Start(since, since, "the one before"), seen.timing.next_no_execute_taint()
        what = f"taint {position} of {len(zone)}"
        yield from windows.misses(what, at, start, window, until=seen.history.until, about=about)
    rate = seen.timing.node_eviction_rate
    for later, apart in _hasty(seen, zone, rate):
        want = f"at least {seen.timing.taints_apart(rate):g} s between two NoExecute taints of a zone"
        yield Violation(want=want, got=f"{apart:.2f} s", at=later, about=about)


def _hasty(seen: Seen, zone: tuple[str, ...], rate: float) -> Iterator[tuple[float, float]]:
    """Taints that came too soon after the one before, by what was seen and by what the target says: when, how soon."""
    for (before, said_before), (after, said_after) in pairwise(_put(seen, zone)):
        stamped = (said_after - said_before).total_seconds() if said_before and said_after else 0
        if after - before < seen.timing.taints_apart(rate) and stamped < seen.timing.taint_stamps_apart(rate):
            yield after, after - before


def _tainted(seen: Seen, zone: tuple[str, ...]) -> list[float]:
    """When nodes first got their NoExecute taint, in order."""
    return [since for since, _ in _put(seen, zone)]


def _put(seen: Seen, zone: tuple[str, ...]) -> list[tuple[float, datetime | None]]:
    """When nodes first got their NoExecute taint, in order, and when the target says that it was added."""
    stories = [seen.node(role) for role in zone]
    spans = [(taints.first(story, UNREACHABLE, NO_EXECUTE), story) for story in stories]
    put = [(span.since, taints.added(story, UNREACHABLE, NO_EXECUTE)) for span, story in spans if span is not None]
    return sorted(put, key=lambda each: each[0])


def _names(seen: Seen, zone: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(seen.name(role) for role in zone)
