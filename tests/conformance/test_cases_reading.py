"""The cases on lists and watches leave a server its freedoms, and nothing beyond them."""

from collections.abc import Mapping
from typing import Any

import pytest

from conformance import catalogue
from conformance.drive.scenarios.master.reading import COLORS, LASTS
from conformance.judge.seen import Seen
from conformance.master import test_reading as cases
from conformance.runner import judging
from conformance.scenario import case_of
from conformance.verdict import Verdict
from tests.conformance.tales import Tale

BOOK = catalogue.load()
PAGES, MARKED, FORGOTTEN = (
    cases.test_the_pages_of_a_list_are_one_list,
    cases.test_a_bookmark_says_up_to_where_all_was_told,
    cases.test_a_watch_from_a_forgotten_version_says_so,
)


def event(kind: str, role: str = "", version: int = 0, **more: Any) -> Mapping[str, Any]:
    return {"type": kind, "role": role, "version": str(version), "initial": False, "code": None, **more}


def watched(name: str, *told: Mapping[str, Any], refused: int = 0, changes: tuple[int, ...] = ()) -> Seen:
    tale = Tale("reading")
    for number, version in enumerate(changes):
        tale.mark(1, f"version of step {number}", version=str(version))
    tale.mark(9, f"watch {name}", told=list(told), refused=refused, since="10", seconds=LASTS)
    return tale.seen(10)


def paged(*pages: tuple[str, ...]) -> Seen:
    tale = Tale("reading")
    for number, roles in enumerate(pages):
        last = number == len(pages) - 1
        tale.mark(number, f"page {number}", roles=list(roles), version="7", last=last)
    return tale.seen(10)


def verdict(function: Any, seen: Seen) -> Verdict:
    case = case_of(function)
    assert case is not None
    return judging.judge(function, case, seen, BOOK).verdict


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (watched("with bookmarks", event("MODIFIED", "a", 11), changes=(11,)), Verdict.UNSUPPORTED),
        (
            watched("with bookmarks", event("MODIFIED", "a", 11), event("BOOKMARK", "", 11), changes=(11, 12)),
            Verdict.PASS,
        ),
        (watched("with bookmarks", event("BOOKMARK", "", 12), changes=(11, 12)), Verdict.FAIL),
        (watched("with bookmarks", event("BOOKMARK", "", 12), changes=(9,)), Verdict.PASS),
        (
            watched("with bookmarks", event("MODIFIED", "a", 11), event("BOOKMARK", "", 10), changes=(11,)),
            Verdict.WARNING,
        ),
    ],
    ids=["none", "in time", "ahead", "of what was before the watch", "old"],
)
def test_bookmarks(seen: Seen, wanted: Verdict) -> None:
    assert verdict(MARKED, seen) is wanted


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (watched("from a forgotten version on", refused=410), Verdict.PASS),
        (watched("from a forgotten version on", refused=400), Verdict.FAIL),
        (watched("from a forgotten version on", event("ERROR", code=410)), Verdict.PASS),
        (watched("from a forgotten version on", *(event("ADDED", role) for role in (*COLORS, "e"))), Verdict.PASS),
        (watched("from a forgotten version on", event("MODIFIED", "a", 11)), Verdict.FAIL),
        (watched("from a forgotten version on"), Verdict.FAIL),
    ],
    ids=["410", "another refusal", "an error", "all is known", "what is new", "silence"],
)
def test_forgotten_versions(seen: Seen, wanted: Verdict) -> None:
    assert verdict(FORGOTTEN, seen) is wanted


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (paged(tuple(COLORS)), Verdict.PASS),
        (paged(*((role,) for role in COLORS)), Verdict.PASS),
        (paged(("a",), (), ("b",), ("c",), ("d",)), Verdict.PASS),
        (paged(("a",), ("b",), ("c", "d")), Verdict.FAIL),
        (paged(("a",), ("b",), ("c",), ("e",)), Verdict.FAIL),
        (paged(("a",), ("a",), ("b",), ("c",), ("d",)), Verdict.FAIL),
    ],
    ids=["no limit", "one each", "an empty one", "one too large", "one of now", "one twice"],
)
def test_pages(seen: Seen, wanted: Verdict) -> None:
    assert verdict(PAGES, seen) is wanted
