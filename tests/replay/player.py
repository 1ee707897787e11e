"""Plays a recorded case against a fresh server, in one process and on virtual time."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from gzip import decompress
from typing import Any
from urllib.parse import parse_qsl, unquote

import attrs

from refimpl.api.errors import Object
from refimpl.api.http import Request, Response, User
from refimpl.apiserver.authorization.modes import NODE_AND_RBAC
from refimpl.apiserver.identity import authentication
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.apiserver.settings import Settings
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore
from tests.replay.compare import Bindings, UnknownValue, differences
from tests.replay.transcript import Case, Step

QUIET = 0.25
PATIENCE = 10.0
MERGE = "application/merge-patch+json"
SERVER = "127.0.0.1:6443"
AGENT = "recorder/1"
CLOSED = {"_closed_by": "server"}
TOKEN = "admintoken"
ADMIN = User("admin", ("system:masters", authentication.AUTHENTICATED), "admin")
OTHERS = {
    "admin": ("admin", ("system:masters",)),
    "node-a": ("system:node:a", ("system:nodes",)),
    "node-b": ("system:node:b", ("system:nodes",)),
    "node-c-nogroup": ("system:node:c", ()),
    "node-noname": ("system:node:", ("system:nodes",)),
    "kubelet-badname": ("kubelet", ("system:nodes",)),
    "alice": ("alice", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "kcm": ("system:kube-controller-manager", ()),
}
"""Users of the servers with authorization, by token."""


@attrs.define
class Stream:
    """An open watch and what has arrived on it."""

    lines: list[Object] = attrs.field(factory=list)
    task: asyncio.Task[None] | None = None
    ended: bool = False

    def take(self) -> list[Object]:
        lines, self.lines = self.lines, []
        return lines


async def play(case: Case) -> list[str]:
    """Every difference between the recording and what the reference answers."""
    clock = Clock.virtual(seed=1)
    server = ApiServer(
        MemoryStore(),
        clock,
        security=_security(case),
        settings=Settings(protect_storage=True),
    )
    await server.start()
    player = Player(server, clock)
    compaction = asyncio.create_task(_compact(server)) if "compaction-interval=3s" in case.server_config else None
    try:
        for step in case.steps:
            for request in case.setup_before(step.n):
                await player.setup(request)
            await player.step(step)
    except UnknownValue as missing:
        player.found.append(str(missing))
    finally:
        await player.close()
        if compaction is not None:
            compaction.cancel()
        await server.close()
    return player.found


def _security(case: Case) -> Security:
    """Who is known to the server of a case, and what they may do."""
    table = {TOKEN: ADMIN}
    if "--authorization-mode=Node,RBAC" not in case.server_config:
        return Security([authentication.tokens(table)])
    for token, (name, groups) in OTHERS.items():
        table[token] = User(name, (*groups, authentication.AUTHENTICATED), token)
    return Security([authentication.tokens(table), authentication.anonymous], NODE_AND_RBAC)


async def _compact(server: ApiServer) -> None:
    previous = 0
    while True:
        await asyncio.sleep(3)
        await server.registry.compact(previous)
        previous = server.registry.revision


class Player:
    def __init__(self, server: ApiServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._bindings = Bindings()
        self._streams: dict[str, Stream] = {}
        self._etags: dict[str, str] = {}
        self._last_path = ""
        self.found: list[str] = []

    async def close(self) -> None:
        for stream in self._streams.values():
            await self._hang_up(stream)

    async def setup(self, data: Object) -> None:
        response = await self._send(data)
        body = await _body(response)
        if response.status != data["status"]:
            self.found.append(f"setup {data['method']} {data['path']}: {response.status} {body[:300]!r}")
        self._bindings.see(_json(body))
        await asyncio.sleep(QUIET)
        for stream in self._streams.values():
            stream.take()

    async def step(self, step: Step) -> None:
        match step.op:
            case "watch-start":
                await self._open(step)
            case "watch-stop":
                await self._hang_up(self._streams.pop(step.watch))
            case "wait":
                await self._wait(step)
            case _:
                await self._request(step)
        if self._streams or step.events:
            await asyncio.sleep(QUIET)
            await self._until_closed(step)
            for name in self._streams:
                self._compare_events(step, name)

    async def _wait(self, step: Step) -> None:
        """Lets time pass, with the changes that the recorder only tells of in a note."""
        told = re.match(r"(\d+) s of one change per second to (\w+)", step.data.get("note", ""))
        if told is None:
            await asyncio.sleep(step.data["seconds"])
            return
        path = f"{self._last_path}/{told.group(2)}"
        for number in range(int(told.group(1))):
            await asyncio.sleep(1)
            body = {"data": {"x": str(number)}}
            await self._send({"method": "PATCH", "path": path, "headers": {"Content-Type": MERGE}, "body": body})

    async def _until_closed(self, step: Step) -> None:
        """Waits for the streams that the recorder saw the server end."""
        for name, lines in step.events.items():
            task = self._streams[name].task
            if lines and lines[-1] == CLOSED and task is not None:
                await asyncio.wait([task], timeout=PATIENCE)

    async def _request(self, step: Step) -> None:
        asked = self._clock.now()
        self._last_path = step.data["path"]
        response = await self._send(step.data)
        body = await _body(response)
        self._bindings.see(_seen_by_recorder(step.expected, _json(body)))
        self._etags[step.expected.get("headers", {}).get("etag", "")] = response.header("etag") or ""
        found = list(_head_differences(step.expected, response, self._bindings, asked))
        found += _body_differences(step.expected, response, body, self._bindings, asked)
        self.found += [f"step {step.n} {step.data['method']} {step.data['path']}: {text}" for text in found]

    async def _send(self, data: Object) -> Response:
        data = {**data, **self._bindings.substitute({key: data.get(key) for key in ("path", "query", "body")})}
        headers = {name.lower(): self._etags.get(value, value) for name, value in data.get("headers", {}).items()}
        headers["host"] = SERVER
        headers.setdefault("user-agent", AGENT)
        _authenticate(headers, data.get("user"))
        body = data.get("body")
        return await self._server.receive(
            Request(data["method"], unquote(data["path"]), _query(data.get("query")), headers, _encode(body))
        )

    async def _open(self, step: Step) -> None:
        response = await self._send(step.data)
        found = _head_differences(step.expected, response, self._bindings, self._clock.now())
        self.found += [f"step {step.n} watch: {text}" for text in found]
        stream = self._streams[step.watch] = Stream()
        if response.status != 200:
            body = await _body(response)
            bindings, now = self._bindings, self._clock.now()
            self.found += [
                f"step {step.n}: {text}" for text in _body_differences(step.expected, response, body, bindings, now)
            ]
            response = Response(response.status, b"")
            stream.ended = True
        stream.task = asyncio.create_task(_read(response, stream))

    async def _hang_up(self, stream: Stream) -> None:
        assert stream.task is not None
        stream.task.cancel()
        await asyncio.wait([stream.task])

    def _compare_events(self, step: Step, name: str) -> None:
        got = [line for line in self._streams[name].take() if not _is_timer_bookmark(line)]
        if "only the first kept" in step.data.get("note", ""):
            got = got[:1]
        want = [line for line in step.events.get(name, []) if not _is_timer_bookmark(line)]
        self._bindings.see(got)
        where = f"step {step.n} {name}"
        self.found += differences(want, got, self._bindings, self._clock.now(), where)


def _seen_by_recorder(expected: Object, answer: Any) -> Any:
    """What of an answer the recorder numbered: of a body it left out, only the list's own version."""
    if "omitted" in expected.get("body_summary", {}) and isinstance(answer, dict):
        return answer.get("metadata")
    return answer


def _query(query: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(query, str):
        return tuple(parse_qsl(query, keep_blank_values=True))
    return tuple((query or {}).items())


def _authenticate(headers: dict[str, str], user: str | None) -> None:
    if user == "(no Authorization header)" or "authorization" in headers:
        return
    headers["authorization"] = f"Bearer {user or TOKEN}"


async def _read(response: Response, stream: Stream) -> None:
    rest = b""
    async for chunk in _chunks(response):
        *lines, rest = (rest + chunk).split(b"\n")
        stream.lines += [json.loads(line) for line in lines if line]
    if not stream.ended:
        stream.lines.append(CLOSED)


async def _chunks(response: Response) -> AsyncIterator[bytes]:
    if isinstance(response.body, bytes):
        yield response.body
        return
    async for chunk in response.body:
        yield chunk


async def _body(response: Response) -> bytes:
    return b"".join([chunk async for chunk in _chunks(response)])


def _is_timer_bookmark(line: Object) -> bool:
    if line.get("type") != "BOOKMARK":
        return False
    annotations = line["object"].get("metadata", {}).get("annotations", {})
    return "k8s.io/initial-events-end" not in annotations


def _encode(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return _large(body) or body.encode()
    return json.dumps(body).encode()


def _large(text: str) -> bytes | None:
    """A body that was too large to record: made again from its description."""
    described = re.match(r"\((\d+) bytes, starts '(.*)'\)$", text)
    if described is None:
        return None
    size, start = int(described.group(1)), described.group(2)
    if start.startswith('{"a":{"a"'):
        depth = size // 7
        return b'{"a":' * depth + b"1" + b"}" * depth
    if start.startswith('[{"op"'):
        return json.dumps([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * (size // 55)).encode()
    filled = start + "x" * size
    if start.startswith('{"data"'):
        return filled[: size - 3].encode() + b'"}}'
    name = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "'
    return name.encode() + b"x" * (size - len(name) - 3) + b'"}}'


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


_COMPARED_HEADERS = ("warning", "retry-after", "allow", "content-encoding", "vary", "location", "cache-control")


def _head_differences(expected: Object, response: Response, bindings: Bindings, now: Any) -> list[str]:
    found = []
    if response.status != expected["status"]:
        found.append(f"status: want {expected['status']}, got {response.status}")
    wanted = {"content-type": expected["content_type"]} | expected.get("headers", {})
    names = ("content-type", *_COMPARED_HEADERS)
    for name in names:
        got = "\n".join(value for key, value in response.headers if key == name) or None
        if name == "content-type" and not response.body and not wanted.get(name):
            continue
        found += differences(wanted.get(name), got, bindings, now, f"header {name}")
    if ("etag" in wanted) is not (response.header("etag") is not None):
        found.append(f"header etag: want {wanted.get('etag')}, got {response.header('etag')}")
    return found


def _body_differences(expected: Object, response: Response, body: bytes, bindings: Bindings, now: Any) -> list[str]:
    if response.header("content-encoding") == "gzip":
        body = decompress(body)
    if "body_summary" in expected:
        return _summary_differences(expected["body_summary"], body, bindings, now)
    want = expected.get("body")
    if b"managedFields" not in body:
        want = _known_differences_removed(want)
    if isinstance(want, (dict, list)):
        got = _json(body)
        if got is None:
            return [f"body: want JSON, got {body[:200]!r}"]
        return list(differences(want, got, bindings, now, "body"))
    got = body.decode(errors="replace")
    if isinstance(want, str) and want.startswith('{"type":"'):
        lines = [json.loads(line) for line in want.splitlines()], [json.loads(line) for line in got.splitlines()]
        return list(differences(*lines, bindings, now, "body"))
    return list(differences(want or "", got, bindings, now, "body"))


def _known_differences_removed(value: Any) -> Any:
    """What the reference leaves out where it quotes objects that are written all the time: field managers."""
    if isinstance(value, str):
        return _without_quoted_managers(value)
    if isinstance(value, dict):
        return {key: _known_differences_removed(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_known_differences_removed(below) for below in value]
    return value


def _without_quoted_managers(text: str) -> str:
    """A text that quotes an object, without the object's `managedFields`."""
    while (start := re.search(r',\\*"managedFields\\*":\[', text)) is not None:
        depth, end = 1, start.end()
        while depth:
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            end += 1
        text = text[: start.start()] + text[end:]
    return text


def _summary_differences(summary: Object, body: bytes, bindings: Bindings, now: Any) -> list[str]:
    found: list[str] = []
    text = body.decode(errors="replace")
    whole = _json(body)
    answer = whole if isinstance(whole, dict) else {}
    items = answer.get("items") or []
    properties = {
        "starts": lambda want: text[: len(want)],
        "first_40_chars": lambda want: text[:40],
        "ends_with_newline": lambda want: text.endswith("\n"),
        "bytes_start": lambda want: body[:4].hex(),
        "nonempty": lambda want: bool(body),
        "empty": lambda want: not body,
        "decoded_over_128KiB": lambda want: len(body) > 128 * 1024,
        "text": lambda want: text,
        "top_level_keys": lambda want: sorted(answer),
        "has_paths": lambda want: bool(answer.get("paths")),
        "item_names": lambda want: [item["metadata"]["name"] for item in items],
        "order": lambda want: [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in items],
        "omitted": lambda want: want,
        "bytes": lambda want: want,
    }
    for key, want in summary.items():
        got = properties[key](want) if key in properties else answer.get(key)
        found += differences(want, got, bindings, now, f"summary {key}")
    return found
