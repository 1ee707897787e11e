"""Leader election by Lease: one works, another takes over."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.http import Request
from refimpl.api.resources import LEASES
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.leaderelection import Election, LeaderElector, LeadershipLost, claim, may_take
from refimpl.client.transport import DirectTransport, Unreachable
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore


class Candidate:
    """A process that can lose the API server, or freeze."""

    def __init__(self, server: ApiServer, clock: Clock, identity: str) -> None:
        self.cut_off = False
        self.worked: list[tuple[float, float]] = []
        self._clock = clock
        self._server = server
        client = Client(DirectTransport(self._send), timeout=1.0)
        self.elector = LeaderElector(client, clock, Election("manager", identity))
        self.task = asyncio.create_task(self.elector.run(self._work))
        self.working = asyncio.Event()

    async def _send(self, request: Request):
        if self.cut_off:
            raise Unreachable("cut off")
        return await self._server.handle(request)

    async def _work(self) -> None:
        since = self._clock.monotonic()
        self.working.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.working.clear()
            self.worked.append((since, self._clock.monotonic()))

    async def stop(self) -> None:
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def server(clock):
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    yield server
    await server.close()


async def lease(server) -> dict:
    return (await Client(DirectTransport(server.handle)).get(LEASES, "manager", namespace="kube-system"))["spec"]


async def test_one_of_two_leads_and_renews_for_long(server, clock):
    first, second = Candidate(server, clock, "a"), Candidate(server, clock, "b")
    await clock.sleep(100)
    assert first.working.is_set()
    assert not second.working.is_set()
    spec = await lease(server)
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("a", 15, 0)
    assert spec["renewTime"] > spec["acquireTime"]
    await first.stop()
    await second.stop()


async def test_a_clean_stop_hands_over_at_once(server, clock):
    first, second = Candidate(server, clock, "a"), Candidate(server, clock, "b")
    await clock.sleep(30)
    await first.stop()
    before = clock.monotonic()
    await second.working.wait()
    assert clock.monotonic() - before <= 2 * 2.2
    assert (await lease(server))["leaseTransitions"] == 1
    await second.stop()


async def test_a_leader_cut_off_stops_before_another_begins(server, clock):
    first, second = Candidate(server, clock, "a"), Candidate(server, clock, "b")
    await clock.sleep(30)
    first.cut_off = True
    with pytest.raises(LeadershipLost, match="a lost the lease manager"):
        await first.task
    stopped = clock.monotonic()
    await second.working.wait()
    assert stopped < clock.monotonic() <= 30 + 15 + 2 * 2.2 + 2
    await second.stop()


async def test_a_short_outage_costs_nothing(server, clock):
    first = Candidate(server, clock, "a")
    await clock.sleep(30)
    first.cut_off = True
    await clock.sleep(8)
    first.cut_off = False
    await clock.sleep(60)
    assert first.worked == []
    assert first.working.is_set()
    await first.stop()


async def test_work_that_fails_ends_the_run_and_frees_the_lease(server, clock):
    async def fails():
        raise KeyError("bug")

    elector = LeaderElector(Client(DirectTransport(server.handle)), clock, Election("manager", "a"))
    with pytest.raises(ExceptionGroup) as failure:
        await elector.run(fails)
    assert failure.group_contains(KeyError, match="bug")
    assert (await lease(server))["holderIdentity"] == ""


@pytest.mark.parametrize(
    ("holder", "unchanged_for", "expected"),
    [("", 0.0, True), ("me", 0.0, True), ("you", 14.9, False), ("you", 15.0, True)],
)
def test_a_lease_is_taken_when_free_ours_or_silent(holder, unchanged_for, expected):
    assert may_take({"holderIdentity": holder, "leaseDurationSeconds": 15}, "me", unchanged_for) is expected


@given(st.lists(st.sampled_from(["a", "b"]), min_size=1))
def test_transitions_count_the_changes_of_holder(holders):
    spec: dict = {}
    for holder in holders:
        spec = claim(spec, Election("manager", holder), "now")
    changes = sum(1 for one, two in pairwise(holders) if one != two)
    assert spec["leaseTransitions"] == changes


def test_times_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match=r"needs lease duration \(10s\) > renew deadline"):
        Election("manager", "a", lease_duration=10)
