"""Collections are read whole, in part, in pages, and as they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from conformance.drive.scenarios.master.reading import COLORS, LASTS, LIMIT, SELECTED, reading
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

_GONE = 410

Told = Sequence[Mapping[str, Any]]


def _told(seen: Seen, name: str) -> Told:
    """What a watch told.

    Raises:
        NotExercised: it was refused.
    """
    facts = seen.mark(f"watch {name}").facts
    if facts["refused"]:
        raise NotExercised(f"the watch {name} was answered {facts['refused']}")
    told: Told = facts["told"]
    return told


def _cut_off(seen: Seen, name: str) -> bool:
    """Whether a watch ended before its time: then what it did not tell says nothing."""
    return bool(seen.mark(f"watch {name}").facts["seconds"] < LASTS - 0.5)


def _number(version: object) -> int:
    """A version as number.

    Raises:
        Unsupported: it is none, so that versions cannot be compared.
    """
    if not str(version).isdigit():
        raise Unsupported(f"versions of this target are no numbers: {version!r}")
    return int(str(version))


def _events(told: Told) -> str:
    return ", ".join(f"{event['type']} {event['role']}@{event['version']}" for event in told) or "nothing"


@judges("M-API-11", reads=reading)
def test_a_watch_from_a_list_on_leaves_no_gap(seen: Seen) -> Iterator[Violation]:
    name = "from the list on"
    told = _told(seen, name)
    for kind, role in (("ADDED", "e"), ("DELETED", "d")):
        times = sum((event["type"], event["role"]) == (kind, role) for event in told)
        if not times and _cut_off(seen, name):
            raise NotExercised("the watch was cut off too early", about=seen.name(role))
        if times != 1:
            want = f"{kind} {role} once in a watch from the version of the list before it"
            yield Violation(want=want, got=_events(told), about=seen.name(role))


@judges("M-API-11", reads=reading)
def test_a_watch_tells_newer_and_newer_versions(seen: Seen) -> Iterator[Violation]:
    told = _told(seen, "from the list on")
    for one, other in pairwise(event for event in told if event["type"] != "ERROR"):
        if _number(one["version"]) >= _number(other["version"]):
            want = f"a version above {one['version']} after {one['type']} of {one['role']}"
            got = f"{other['type']} of {other['role']} at {other['version']}"
            yield Violation(want=want, got=got, about=seen.name(other["role"]))


@judges("M-API-12", reads=reading)
def test_a_watch_from_a_forgotten_version_says_so(seen: Seen) -> Iterator[Violation]:
    name = "from a forgotten version on"
    refused = seen.mark(f"watch {name}").facts["refused"]
    if refused:
        if refused != _GONE:
            yield Violation(want="410 to a watch from a version that is forgotten", got=str(refused))
        return
    told = _told(seen, name)
    if told and (told[0]["type"], told[0]["code"]) == ("ERROR", _GONE):
        return
    known = {event["role"] for event in told if event["type"] == "ADDED"}
    missed = sorted({*COLORS, "e"} - known)
    if missed and _cut_off(seen, name) and told:
        raise NotExercised("the watch was cut off too early")
    if missed:
        want = "an ERROR with code 410 at the beginning, or all that happened since the version"
        yield Violation(want=want, got=_events(told), about=tuple(map(seen.name, missed)))


@judges("M-API-13", reads=reading)
def test_a_bookmark_says_up_to_where_all_was_told(seen: Seen) -> Iterator[Violation]:
    told = _told(seen, "with bookmarks")
    at = next((at for at, event in enumerate(told) if event["type"] == "BOOKMARK"), None)
    if at is None:
        raise Unsupported("the target sent no bookmark, as it is free to do")
    marked = _number(told[at]["version"])
    before = [_number(event["version"]) for event in told[:at]]
    since = _number(seen.mark("watch with bookmarks").facts["since"])
    changes = (_number(m.facts["version"]) for m in seen.history.marks if m.name.startswith("version of step "))
    missed = [version for version in changes if since < version <= marked and version not in before]
    if missed:
        want = f"all changes up to {marked} before the bookmark of that version"
        yield Violation(want=want, got=f"not yet told: {missed}; told: {_events(told[:at])}", about=seen.name("a"))
    newest = max(before, default=marked)
    if marked < newest:
        want = f"a bookmark at least of {newest}, which was told already"
        yield Violation(want=want, got=str(marked), about=seen.name("a"), level="SHOULD")


@judges("M-API-14", reads=reading)
def test_a_watch_may_begin_with_the_state(seen: Seen) -> Iterator[Violation]:
    name = "with the state first"
    if seen.mark(f"watch {name}").facts["refused"]:
        raise Unsupported(f"it is refused: {seen.mark(f'watch {name}').facts['refused']}")
    told = _told(seen, name)
    at = next((at for at, event in enumerate(told) if event["initial"]), None)
    if at is None:
        if _cut_off(seen, name):
            raise NotExercised("the watch was cut off too early")
        yield Violation(want="a bookmark that says that the state was told", got=_events(told))
        return
    early = {event["role"] for event in told[:at] if event["type"] == "ADDED"}
    missed = sorted({*COLORS, "e"} - {"d"} - early)
    if missed:
        want = "all that is there as ADDED, before the bookmark that says so"
        yield Violation(want=want, got=_events(told[: at + 1]), about=tuple(map(seen.name, missed)))


@judges("M-API-15", reads=reading)
def test_lists_select_by_labels(seen: Seen) -> Iterator[Violation]:
    for selector, roles in SELECTED.items():
        mark = seen.mark(f"list by {selector}")
        if list(mark.facts["roles"]) != list(roles):
            yield Violation(want=f"{list(roles)} by {selector}", got=str(list(mark.facts["roles"])), at=mark.at)


@judges("M-API-16", reads=reading)
def test_the_pages_of_a_list_are_one_list(seen: Seen) -> Iterator[Violation]:
    pages = [mark for mark in seen.history.marks if mark.name.startswith("page ")]
    found = sorted(role for page in pages for role in page.facts["roles"])
    if not pages or (not pages[-1].facts["last"] and len(found) == len(set(found))):
        raise NotExercised("the list was not read to its end")
    for page in pages if len(pages) > 1 else ():
        if len(page.facts["roles"]) > LIMIT:
            yield Violation(want=f"at most {LIMIT} objects a page", got=str(page.facts["roles"]), at=page.at)
    if found != list(COLORS):
        want = f"each of {list(COLORS)} once, as they were when the first page was read"
        yield Violation(want=want, got=str([list(page.facts["roles"]) for page in pages]), at=pages[-1].at)
    versions = {page.facts["version"] for page in pages}
    if len(versions) > 1:
        yield Violation(want="the version of the first page in all", got=str(sorted(versions)), at=pages[-1].at)
