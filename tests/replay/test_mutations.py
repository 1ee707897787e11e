"""The recorded requests, each with one value replaced by another: still nothing breaks the server."""

from __future__ import annotations

import copy
import json
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.http import Request, Response
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock, run, virtual_loop
from refimpl.storage.memory import MemoryStore
from tests.replay import transcript
from tests.replay.transcript import Case

REPLACEMENTS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**40,
    1.5,
    "",
    "x",
    "-1",
    "1Ki",
    [],
    [None],
    [{}],
    {},
    {"x": 1},
    {"name": None},
)


@attrs.frozen
class Spot:
    """A request of a case and a place in its body."""

    case: Case
    request: int
    path: tuple[str | int, ...]


def requests_of(case: Case) -> list[Object]:
    steps = [step.data for step in case.steps if step.op == "request"]
    return [request for request in (*case.setup, *steps) if isinstance(request.get("body"), dict | list)]


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in members:
        found += places(below, (*path, key))
    return found


CASES = [transcript.case(name) for name in transcript.case_names()]
SPOTS = [
    Spot(case, index, path)
    for case in CASES
    for index, request in enumerate(requests_of(case))
    for path in places(request["body"])
    if path and len(json.dumps(request["body"])) < 20_000
]


def replaced(body: Any, path: tuple[str | int, ...], value: Any) -> Any:
    body = copy.deepcopy(body)
    parent = body
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return body


async def play(spot: Spot, value: Any) -> list[tuple[Request, Response]]:
    """All requests of the case with a body, the chosen one changed."""
    server = ApiServer(MemoryStore(), Clock.virtual(seed=1))
    await server.start()
    answers = []
    for index, data in enumerate(requests_of(spot.case)):
        body = replaced(data["body"], spot.path, value) if index == spot.request else data["body"]
        headers = {name.lower(): text for name, text in data.get("headers", {}).items()}
        query = data.get("query") or {}
        parameters = tuple(query.items()) if isinstance(query, dict) else ()
        request = Request(data["method"], data["path"], parameters, headers, json.dumps(body).encode())
        answers.append((request, await server.handle(request)))
    await server.close()
    return answers


@settings(max_examples=150, deadline=None)
@given(spot=st.sampled_from(SPOTS), value=st.sampled_from(REPLACEMENTS))
def test_one_wrong_value_is_answered(spot: Spot, value: Any):
    for _, response in run(play(spot, value), loop_factory=virtual_loop):
        assert isinstance(response.body, bytes)
        assert 200 <= response.status <= 504
