"""Docker Engine's HTTP API on a unix socket: requests, streams of JSON, and connections that a container takes over.

The version spoken is the highest that both sides know. Source: Docker Engine API, 1.24 to 1.43.
"""

from __future__ import annotations

import asyncio
import io
import json
import struct
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import attrs

from refimpl.kubelet.runtime.base import RuntimeUnavailable, Stream

DEFAULT_ENDPOINT: Final = "unix:///var/run/docker.sock"
_OLDEST: Final = (1, 24)
_NEWEST: Final = (1, 43)
_ANSWER_WITHIN: Final = 120.0
"""Seconds for one answer: the kubelet's default `--runtime-request-timeout`."""
_CONNECT_WITHIN: Final = 5.0
_HEADER: Final = struct.Struct(">BxxxL")
_CHUNK: Final = 65536

Parameters = Mapping[str, str]


class EngineError(Exception):
    """The engine refused a request.

    Attributes:
        status: HTTP status.
        message: what it said.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@attrs.frozen
class Version:
    """What an engine says about itself.

    Attributes:
        engine: its release, e.g. `20.10.24`.
        api: the newest version of the API that it speaks, e.g. `1.41`.
        oldest_api: the oldest one.
    """

    engine: str
    api: str
    oldest_api: str


class Engine:
    """One Docker Engine.

    Args:
        endpoint: `unix:///path/of/the/socket`.

    Raises:
        ValueError: the endpoint is not a unix socket.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT) -> None:
        scheme, _, path = endpoint.partition("://")
        if scheme != "unix" or not path:
            raise ValueError(f"the Docker endpoint must be unix:///PATH, not {endpoint!r}")
        self._path = path
        self._prefix = ""
        self._session: aiohttp.ClientSession | None = None

    async def negotiate(self) -> Version:
        """Asks who the engine is and agrees on a version of the API.

        Raises:
            RuntimeUnavailable: it does not answer, or is too old or too new.
        """
        self._prefix = ""
        try:
            said = await self.get("/version")
        except EngineError as error:
            raise RuntimeUnavailable(f"{self._path}: {error}") from error
        found = Version(said.get("Version", "Unknown"), said["ApiVersion"], said.get("MinAPIVersion", "1.12"))
        spoken = min(_numbers(found.api), _NEWEST)
        if spoken < max(_OLDEST, _numbers(found.oldest_api)):
            raise RuntimeUnavailable(f"Docker Engine {found.engine} speaks API {found.oldest_api} to {found.api}")
        self._prefix = f"/v{spoken[0]}.{spoken[1]}"
        return found

    async def get(self, path: str, query: Parameters | None = None) -> Any:
        """An object. For errors see `send`."""
        return await self.send("GET", path, query)

    async def send(self, method: str, path: str, query: Parameters | None = None, body: Any = None) -> Any:
        """Sends a request and returns the decoded answer; None where there is none.

        Args:
            method: HTTP method.
            path: without the version.
            query: parameters.
            body: bytes (a tar archive) as they are, anything else as JSON; None for none.

        Raises:
            EngineError: it was refused.
            RuntimeUnavailable: nobody answered.
        """
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                async with await self._request(method, path, query, body) as answer:
                    content = await answer.read()
        except TimeoutError:
            raise RuntimeUnavailable(f"{method} {path}: no answer within {_ANSWER_WITHIN:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._silent(error) from error
        if answer.status >= 400:
            raise EngineError(answer.status, _message(content))
        is_one_object = answer.content_type == "application/json" and content.count(b"\n") <= 1
        return json.loads(content) if content and is_one_object else content or None

    async def stream(self, method: str, path: str, query: Parameters | None = None) -> AsyncGenerator[bytes, None]:
        """The chunks of an answer as they come, the first one empty: the engine has accepted the request.

        Raises:
            EngineError: it was refused.
            RuntimeUnavailable: nobody answered, or the connection broke.
        """
        try:
            async with await self._request(method, path, query) as answer:
                if answer.status >= 400:
                    raise EngineError(answer.status, _message(await answer.read()))
                yield b""
                async for chunk in answer.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise self._silent(error) from error

    async def lines(self, method: str, path: str, query: Parameters | None = None) -> AsyncGenerator[Any, None]:
        """The JSON objects of an answer as they come, the first one None: the engine has accepted the request.

        Raises: see `stream`.
        """
        rest = b""
        async for chunk in self.stream(method, path, query):
            if not chunk:
                yield None
            *complete, rest = (rest + chunk).split(b"\n")
            for line in complete:
                if line.strip():
                    yield json.loads(line)

    async def hijack(self, path: str, query: Parameters | None = None, body: Any = None) -> Connection:
        """Sends a POST whose connection then belongs to a container's streams.

        Raises:
            EngineError: it was refused.
            RuntimeUnavailable: nobody answered.
        """
        content = json.dumps(body).encode() if body is not None else b""
        head = (
            f"POST {self._prefix}{path}{_query(query)} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n"
            f"Upgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
            writer.write(head.encode() + content)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (OSError, asyncio.IncompleteReadError) as error:
            raise self._silent(error) from error
        status = int(answer.split(" ", 2)[1])
        if status not in {101, 200}:
            said = await reader.read(_CHUNK)
            writer.close()
            raise EngineError(status, _message(said))
        return Connection(reader, writer)

    async def aclose(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(
        self, method: str, path: str, query: Parameters | None, body: Any = None
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(self._path, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_WITHIN),
            )
        headers, data = {}, None
        if body is not None:
            is_archive = isinstance(body, bytes)
            headers = {"content-type": "application/x-tar" if is_archive else "application/json"}
            data = io.BytesIO(body if is_archive else json.dumps(body).encode())
        url = f"http://docker{self._prefix}{path}"
        return await self._session.request(method, url, params=query, data=data, headers=headers)

    def _silent(self, error: Exception) -> RuntimeUnavailable:
        return RuntimeUnavailable(f"cannot connect to the Docker daemon at unix://{self._path}: {error}")


@attrs.define(eq=False)
class Connection:
    """The streams of a container, or of a command in one, after the engine let go of the connection.

    Attributes:
        reader: what comes out.
        writer: what goes in.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What comes out, as it comes."""
        while chunk := await self.reader.read(_CHUNK):
            yield chunk


async def demultiplexed(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[tuple[Stream, bytes], None]:
    """Separates the two output streams that share a connection in frames."""
    rest = b""
    async for chunk in chunks:
        rest += chunk
        while len(rest) >= _HEADER.size:
            number, length = _HEADER.unpack_from(rest)
            end = _HEADER.size + length
            if len(rest) < end:
                break
            yield ("stderr" if number == 2 else "stdout"), rest[_HEADER.size : end]
            rest = rest[end:]


def filters(**wanted: list[str]) -> dict[str, str]:
    """The `filters` parameter of lists and events."""
    return {"filters": json.dumps(wanted)}


def _query(query: Parameters | None) -> str:
    return f"?{urlencode(query)}" if query else ""


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()
