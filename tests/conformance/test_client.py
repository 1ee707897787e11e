"""The suite's client: retries what is safe, says in one line what went wrong, and notes everything."""

import pytest

from conformance.client import ApiClient, ApiRefused
from conformance.clock import SuiteClock
from conformance.record.history import Exchange
from conformance.wire import NoAnswer
from tests.conformance.tales import EPOCH
from tests.conformance.wires import Scripted

NODE = {"metadata": {"name": "n", "uid": "u"}}
STATUS = {"kind": "Status", "reason": "NotFound", "message": 'nodes "n" not found', "code": 404}


def client_of(wire: Scripted, notes: list[Exchange] | None = None) -> ApiClient:
    clock = SuiteClock(seed=1, epoch=EPOCH)
    return ApiClient(wire, clock=clock, who="test", note=(notes if notes is not None else []).append)


async def test_a_refusal_carries_status_reason_and_message():
    with pytest.raises(
        ApiRefused, match=r'GET /api/v1/nodes/n was answered 404 NotFound: nodes "n" not found'
    ) as caught:
        await client_of(Scripted([(404, STATUS)])).get("/api/v1/nodes/n")
    assert (caught.value.status, caught.value.reason) == (404, "NotFound")


@pytest.mark.parametrize("first", [(429, {}), (503, {}), NoAnswer("reset")])
async def test_what_is_transient_is_tried_again(first: object):
    wire = Scripted([first, (200, {"a": 1})])
    assert await client_of(wire).get("/x") == {"a": 1}


async def test_retry_after_is_honoured():
    clock = SuiteClock(seed=1, epoch=EPOCH)
    client = ApiClient(
        Scripted([(429, {}, {"retry-after": "3"}), (200, {})]), clock=clock, who="t", note=lambda _: None
    )
    began = clock.monotonic()
    await client.get("/x")
    assert clock.monotonic() - began >= 3


async def test_after_five_attempts_it_gives_up():
    with pytest.raises(NoAnswer, match="reset"):
        await client_of(Scripted([NoAnswer("reset")] * 5)).get("/x")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422])
async def test_what_is_final_is_not_tried_again(status: int):
    wire = Scripted([(status, {})])
    with pytest.raises(ApiRefused):
        await client_of(wire).patch("/x", {})
    assert len(wire.asked) == 1


async def test_a_creation_whose_answer_was_lost_is_read_back():
    wire = Scripted([NoAnswer("reset"), (409, {"kind": "Status", "reason": "AlreadyExists"}), (200, NODE)])
    made = await client_of(wire).create("/api/v1/nodes", {"metadata": {"name": "n"}})
    assert (made, wire.asked[-1]) == (NODE, ("GET", "/api/v1/nodes/n"))


@pytest.mark.parametrize("answer", [{}, [], "yes", {"metadata": {}}, {"metadata": {"name": "n"}}])
async def test_an_answer_that_is_no_object_is_a_refusal(answer: object):
    with pytest.raises(ApiRefused, match="was answered 200: that is no object"):
        await client_of(Scripted([(200, answer)])).create("/api/v1/nodes", {"metadata": {"name": "n"}})


async def test_a_first_conflict_is_no_lost_answer():
    with pytest.raises(ApiRefused):
        await client_of(Scripted([(409, {})])).create("/api/v1/nodes", {"metadata": {"name": "n"}})


@pytest.mark.parametrize("status", [200, 400, 403, 404, 409, 410, 422, 500])
async def test_asking_returns_any_answer(status: int):
    wire = Scripted([(status, STATUS)])
    answer = await client_of(wire).ask("POST", "/x", body={})
    assert (answer.status, answer.body, len(wire.asked)) == (status, STATUS, 1)


@pytest.mark.parametrize("first", [(429, {}), (502, {}), (503, {}), (504, {}), NoAnswer("reset")])
async def test_asking_takes_no_passing_trouble_for_an_answer(first: object):
    assert (await client_of(Scripted([first, (201, {})])).ask("POST", "/x", body={})).status == 201


async def test_a_trouble_that_does_not_pass_is_the_answer():
    assert (await client_of(Scripted([(503, {})] * 5)).ask("GET", "/x")).status == 503


@pytest.mark.parametrize(("method", "second"), [("POST", 409), ("PUT", 409), ("DELETE", 404)])
async def test_the_consequence_of_a_lost_answer_is_no_answer(method: str, second: int):
    with pytest.raises(NoAnswer, match=rf"an answer was lost \(reset\), the next was {second}"):
        await client_of(Scripted([NoAnswer("reset"), (second, STATUS)])).ask(method, "/x", body={})


async def test_an_eviction_that_is_refused_by_a_budget_is_an_answer():
    wire = Scripted([(429, STATUS, {"retry-after": "10"})])
    assert (await client_of(wire).ask("POST", "/api/v1/namespaces/x/pods/p/eviction", body={})).status == 429


async def test_a_patient_client_outlasts_a_restart():
    clock = SuiteClock(seed=1, epoch=EPOCH)
    wire = Scripted([NoAnswer("refused")] * 12 + [(200, {})])
    client = ApiClient(wire, clock=clock, who="t", note=lambda _: None, patience=20)
    began = clock.monotonic()
    await client.get("/x")
    assert 15 < clock.monotonic() - began < 20


async def test_a_watch_that_is_refused_for_the_moment_is_asked_for_again():
    wire = Scripted(streams=[(429, [{}]), (503, [{}]), (200, [{"type": "ADDED"}])])
    assert [event async for event in client_of(wire).watch("/x")] == [{"type": "ADDED"}]


async def test_every_exchange_is_noted_with_bounded_bodies():
    notes: list[Exchange] = []
    client = client_of(Scripted([(200, {**NODE, "x": "y" * 9000}), NoAnswer("gone"), (200, {})]), notes)
    await client.create("/x", {"metadata": {"name": "n" * 9000}})
    await client.get("/y")
    assert [(x.method, x.path, x.status) for x in notes] == [("POST", "/x", 200), ("GET", "/y", 0), ("GET", "/y", 200)]
    assert max(len(x.request) for x in notes) == max(len(x.response) for x in notes) == 2000
    assert notes[1].response == "gone"


async def test_a_watch_that_sends_no_json_is_no_answer():
    wire = Scripted(streams=[(200, [b"<html>"])])
    with pytest.raises(NoAnswer, match="not JSON"):
        _ = [event async for event in client_of(wire).watch("/x")]


async def test_a_refused_watch_says_why():
    with pytest.raises(ApiRefused, match="410"):
        _ = [event async for event in client_of(Scripted(streams=[(410, [{"kind": "Status"}])])).watch("/x")]
