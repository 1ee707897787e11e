"""etcd's JSON gateway: the few calls of its v3 API that a store needs.

Bytes travel as base64, 64-bit integers as strings, defaults are left out. Works with etcd 3.4 and newer.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import attrs
import msgspec

from refimpl.storage.base import KeyValue

CALL_WITHIN = 10.0
"""Seconds a call may take."""
CONNECT_WITHIN = 5.0
CONNECTIONS = 128
PAGE = 1000
"""Keys of one range call."""
_COMPACTED = "required revision has been compacted"

Object = dict[str, Any]


class Unavailable(Exception):
    """No answer, or one that says that this member cannot serve now; what was asked for may have happened."""


class Compacted(Exception):
    """The revision asked for is no longer there."""


@attrs.frozen
class Outcome:
    """What became of a guarded write.

    Attributes:
        succeeded: it happened.
        revision: of the write.
        found: what the key has instead; None when there is no such key.
    """

    succeeded: bool
    revision: int
    found: KeyValue | None


@attrs.frozen
class Put:
    """One change that a watch tells of; no value for a deletion."""

    revision: int
    key: str
    value: bytes | None


class Gateway:
    """The members of one etcd; after a failure the next one is asked.

    Args:
        endpoints: base URLs.
    """

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Makes ready to connect."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))

    async def close(self) -> None:
        """Hangs up."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def range(self, prefix: str) -> tuple[int, list[KeyValue]]:
        """Every key of a prefix, and the revision as of which."""
        start, end = prefix.encode(), _end(prefix)
        revision, found = 0, list[KeyValue]()
        while True:
            body: Object = {"key": _text(start), "range_end": _text(end), "limit": PAGE, "revision": revision}
            answer = await self._call("/v3/kv/range", body)
            revision = revision or int(answer["header"]["revision"])
            found += map(_key_value, answer.get("kvs", ()))
            if not answer.get("more"):
                return revision, found
            start = found[-1].key.encode() + b"\0"

    async def write(self, key: str, value: bytes | None, expected: int) -> Outcome:
        """Writes or deletes a key if it has the expected revision (0: does not exist)."""
        name = _text(key.encode())
        change: Object = {"request_put": {"key": name, "value": _text(value or b"")}}
        if value is None:
            change = {"request_delete_range": {"key": name}}
        guard: Object = {"key": name, "target": "MOD", "result": "EQUAL", "mod_revision": str(expected)}
        body: Object = {"compare": [guard], "success": [change], "failure": [{"request_range": {"key": name}}]}
        answer = await self._call("/v3/kv/txn", body)
        if answer.get("succeeded"):
            return Outcome(True, int(answer["header"]["revision"]), None)
        found = answer["responses"][0]["response_range"].get("kvs", ())
        return Outcome(False, 0, _key_value(found[0]) if found else None)

    async def compact(self, revision: int) -> None:
        """Forgets what was replaced before a revision.

        Raises:
            Compacted: it is forgotten already.
        """
        await self._call("/v3/kv/compaction", {"revision": str(revision)})

    async def watch(self, prefix: str, start: int) -> AsyncIterator[list[Put]]:
        """Changes of a prefix from a revision on, in batches; each batch is whole revisions.

        Raises:
            Unavailable: the stream has ended.
            Compacted: changes from there on are partly forgotten.
        """
        request = {"key": _text(prefix.encode()), "range_end": _text(_end(prefix)), "start_revision": str(start)}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN)
        rest = b""
        try:
            async with self._opened().post(
                self._endpoints[0] + "/v3/watch", data=msgspec.json.encode({"create_request": request}), timeout=timeout
            ) as answer:
                async for part in answer.content.iter_any():
                    *lines, rest = (rest + part).split(b"\n")
                    for line in lines:
                        yield _events(msgspec.json.decode(line))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._next()
            raise Unavailable(f"watch: {error!r}") from error
        raise Unavailable("watch: the stream has ended")

    def _opened(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session

    def _next(self) -> None:
        self._endpoints.append(self._endpoints.pop(0))

    async def _call(self, path: str, body: Object) -> Object:
        timeout = aiohttp.ClientTimeout(total=CALL_WITHIN, sock_connect=CONNECT_WITHIN)
        try:
            data = msgspec.json.encode(body)
            async with self._opened().post(self._endpoints[0] + path, data=data, timeout=timeout) as answer:
                content: Object = msgspec.json.decode(await answer.read())
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
            self._next()
            raise Unavailable(f"{path}: {error!r}") from error
        if status == 200:
            return content
        if _COMPACTED in str(content):
            raise Compacted
        self._next()
        raise Unavailable(f"{path}: {content.get('error', status)}")


def _events(message: Object) -> list[Put]:
    result = message.get("result")
    if result is None:
        raise Unavailable(f"watch: {message.get('error')}")
    if result.get("canceled"):
        if "compact_revision" in result:
            raise Compacted
        raise Unavailable(f"watch: {result.get('cancel_reason')}")
    return [_put(event) for event in result.get("events", ())]


def _put(event: Object) -> Put:
    kv = event["kv"]
    value = None if event.get("type") == "DELETE" else b64decode(kv.get("value", ""))
    return Put(int(kv["mod_revision"]), b64decode(kv["key"]).decode(), value)


def _key_value(kv: Object) -> KeyValue:
    return KeyValue(b64decode(kv["key"]).decode(), b64decode(kv.get("value", "")), int(kv["mod_revision"]))


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _end(prefix: str) -> bytes:
    """What comes after every key of a prefix; a zero byte stands for the end of all keys."""
    data = prefix.encode()
    return data[:-1] + bytes([data[-1] + 1]) if data else b"\0"
