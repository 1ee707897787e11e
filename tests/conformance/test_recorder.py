"""The recorder writes down every change once, whatever happens to its watch."""

import asyncio
from typing import Any

import pytest

from conformance.client import ApiClient
from conformance.clock import SuiteClock
from conformance.kinds import NODE
from conformance.record.history import History
from conformance.record.log import Log
from conformance.record.recorder import Feed, Recorder
from conformance.wire import NoAnswer
from tests.conformance.tales import EPOCH
from tests.conformance.wires import Scripted


def item(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}}


def told(change: str, name: str, version: int) -> dict[str, Any]:
    return {"type": change, "object": item(name, version)}


def listing(version: int, *items: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}


async def record(wire: Scripted, seconds: float = 3, feed: Feed | None = None) -> History:
    clock, log = SuiteClock(seed=1, epoch=EPOCH), Log(EPOCH)
    client = ApiClient(wire, clock=clock, who="recorder", note=lambda _: None)
    recorder = Recorder(feed or Feed(NODE), client=client, log=log, clock=clock)
    await recorder.start()
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(seconds)
    assert not task.done() or task.result() is None
    task.cancel()
    await asyncio.wait([task])
    return log.whole(clock.moment())


def lines(history: History) -> list[tuple[str, str, str, bool]]:
    return [(e.type, e.name, e.resource_version, e.relisted) for e in history.events]


class Waiting(Scripted):
    """Like `Scripted`; after the last stream, watches stay open."""

    def stream(self, target: str, headers: Any) -> Any:
        from collections.abc import AsyncIterator
        from contextlib import asynccontextmanager

        from conformance.wire import Stream

        if self.streams:
            return super().stream(target, headers)
        self.asked.append(("WATCH", target))

        @asynccontextmanager
        async def silent() -> AsyncIterator[Stream]:
            async def nothing() -> AsyncIterator[bytes]:
                await asyncio.sleep(1e6)
                yield b""

            yield Stream(200, nothing())

        return silent()


async def test_changes_come_with_the_state_before_and_after():
    wire = Waiting([listing(1, item("a", 1))], [(200, [told("MODIFIED", "a", 2), told("DELETED", "a", 3)])])
    history = await record(wire)
    assert lines(history) == [("ADDED", "a", "1", False), ("MODIFIED", "a", "2", False), ("DELETED", "a", "3", False)]
    first, second, third = history.events
    assert (first.before, first.after, second.before) == (None, item("a", 1), item("a", 1))
    assert (third.before, third.after) == (item("a", 3), None)


async def test_every_fact_has_a_moment_of_its_own():
    wire = Waiting([listing(1, item("a", 1), item("b", 1))], [(200, [told("MODIFIED", "a", 2)])])
    moments = [event.at for event in (await record(wire)).events]
    assert moments == sorted(set(moments))


async def test_a_watch_that_ends_goes_on_from_where_it_was():
    wire = Waiting([listing(1)], [(200, [told("ADDED", "a", 5)]), (200, [told("MODIFIED", "a", 6)])])
    history = await record(wire)
    assert lines(history) == [("ADDED", "a", "5", False), ("MODIFIED", "a", "6", False)]
    assert "resourceVersion=5" in wire.asked[2][1]
    assert history.gaps == ()


async def test_bookmarks_move_the_position_and_are_no_event():
    bookmark = {"type": "BOOKMARK", "object": item("", 9)}
    wire = Waiting([listing(1)], [(200, [bookmark])])
    assert (await record(wire)).events == ()
    assert "resourceVersion=9" in wire.asked[-1][1]


async def test_a_broken_connection_is_resumed_and_its_lateness_noted():
    wire = Waiting(
        [listing(1)],
        [(200, [told("ADDED", "a", 5), NoAnswer("reset")]), NoAnswer("refused"), (200, [told("ADDED", "b", 6)])],
    )
    history = await record(wire, 5)
    assert [e.name for e in history.events] == ["a", "b"]
    assert [(gap.lossy, gap.reason, round(gap.until - gap.since, 1)) for gap in history.gaps] == [(False, "reset", 0.5)]


@pytest.mark.parametrize("end", [(200, [EXPIRED]), (410, [{"kind": "Status", "message": "too old"}])])
async def test_after_an_expiry_the_differences_are_listed_and_the_hole_is_noted(end: Any):
    wire = Waiting([listing(1, item("a", 1), item("b", 1)), listing(9, item("b", 7), item("c", 8))], [end])
    history = await record(wire)
    assert lines(history)[2:] == [("DELETED", "a", "1", True), ("MODIFIED", "b", "7", True), ("ADDED", "c", "8", True)]
    assert [gap.lossy for gap in history.gaps] == [True]
    assert "resourceVersion=9" in wire.asked[-1][1]


async def test_something_that_is_no_event_is_a_hole_and_not_a_crash():
    wire = Waiting([listing(1), listing(2)], [(200, [{"hello": 1}])])
    history = await record(wire)
    assert "no event" in history.gaps[0].reason


async def test_a_server_that_cannot_watch_is_listed_again_and_again():
    wire = Scripted([listing(1), *(listing(n, item("a", n)) for n in range(2, 40))], [(200, [])] * 100)
    history = await record(wire, 5)
    assert len(history.events) > 1
    assert all(event.relisted for event in history.events)


async def test_events_are_kept_by_the_name_of_what_they_speak_of():
    def about(name: str) -> dict[str, Any]:
        return {**item(f"event-{name}", 1), "involvedObject": {"name": name}}

    wire = Waiting([listing(1, about("nc-run-silence-victim"), about("somebody-else"))])
    history = await record(wire, feed=Feed(NODE, names="nc-run-"))
    assert [e.name for e in history.events] == ["event-nc-run-silence-victim"]
