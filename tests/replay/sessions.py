"""The recorded kubectl sessions as values, and servers in the state in which a session found its own."""

from __future__ import annotations

import json
import sys
import tomllib

import attrs

from refimpl.api.errors import Object
from refimpl.api.http import Request
from refimpl.apiserver.server import ApiServer
from tests.replay.transcript import RECORDINGS

FOLDERS = ("kubectl", "kubectl-json-only")


@attrs.frozen
class Session:
    """One run of kubectl.

    Attributes:
        name: `kubectl/get-nodes`.
        words: the command line, without the program.
        stdin: what it read.
        setup: requests sent before it started.
        requests: what kubectl sent, each with the status and content type it got.
        stdout: what it printed; placeholders stand for what differs from run to run.
        stderr: what it complained of.
        exit_code: how it ended.
        unordered: it works on several things at once, so that neither requests nor lines have an order.
        json_only: the server was made to refuse protobuf.
    """

    name: str
    words: tuple[str, ...]
    stdin: str
    setup: tuple[Object, ...]
    requests: tuple[Object, ...]
    stdout: str | None
    stderr: str
    exit_code: int
    unordered: bool
    json_only: bool


@attrs.frozen
class Difference:
    """Why a session is known to end otherwise.

    Attributes:
        reason: the reason.
        since: the first minor version of kubectl of which that is true.
        before: the first one after those.
    """

    reason: str
    since: int = 0
    before: int = sys.maxsize


def session_names() -> list[str]:
    """Every session there is, as `folder/name`."""
    return [f"{folder}/{path.stem}" for folder in FOLDERS for path in sorted((RECORDINGS / folder).glob("*.json"))]


def session(name: str) -> Session:
    """One session."""
    data = json.loads((RECORDINGS / f"{name}.json").read_text())
    return Session(
        name,
        tuple(data["argv"][1:]),
        data["stdin"] or "",
        tuple(data.get("setup", ())),
        tuple(data["requests"]),
        data.get("stdout"),
        data["stderr"],
        data["exit_code"],
        "unordered" in data,
        "what_if" in data,
    )


def known_differences() -> dict[str, Difference]:
    """The sessions known to end otherwise, with the reason."""
    listed = tomllib.loads((RECORDINGS / "differences.toml").read_text())["kubectl"]
    return {name: Difference(**entry) for name, entry in listed.items()}


FINISHED_BY_A_KUBELET = frozenset({"drain", "drain-disable-eviction", "delete-pod", "delete-pod-now"})
"""Sessions beside which something ended the containers of deleted pods."""


def has_kubelet(session: Session) -> bool:
    """Whether something finishes graceful deletions while kubectl runs."""
    return session.name.removeprefix("kubectl/") in FINISHED_BY_A_KUBELET


async def finish_deletions(server: ApiServer) -> None:
    """Removes every pod that is being deleted, as a kubelet does when its containers have ended."""
    listed = await server.receive(Request("GET", "/api/v1/namespaces/default/pods"))
    assert isinstance(listed.body, bytes)
    for pod in json.loads(listed.body)["items"]:
        if "deletionTimestamp" in pod["metadata"]:
            path = f"/api/v1/namespaces/default/pods/{pod['metadata']['name']}"
            await server.receive(Request("DELETE", path, (("gracePeriodSeconds", "0"),)))


async def prepare(server: ApiServer, session: Session) -> None:
    """Sends the requests that come before a session."""
    for data in session.setup:
        headers = {name.lower(): value for name, value in data.get("headers", {}).items()}
        body = json.dumps(data["body"]).encode() if data.get("body") is not None else b""
        response = await server.receive(Request(data["method"], data["path"], (), headers, body))
        assert response.status == data["status"], (data["path"], response)
