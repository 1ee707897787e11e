"""Exec and attach at the kubelet: a websocket whose messages begin with the number of a stream.

    0 standard input, 1 standard output, 2 standard error, 3 how it ended (a Status), 4 size of the terminal (JSON),
    255 with a number: that stream ends (v5)

Source: kubelet 1.36 `kubelet/pkg/cri/streaming/remotecommand`, subprotocols `v4.channel.k8s.io`, `v5.channel.k8s.io`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

import attrs
import msgspec

from refimpl.api.errors import Object
from refimpl.api.http import Request
from refimpl.kubelet.runtime.base import Runtime, RuntimeUnavailable, Session, SessionOptions, StartFailure, Stream

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")

_ERROR: Final = 3
_OUTPUT: Final[Mapping[Stream, bytes]] = {"stdout": b"\x01", "stderr": b"\x02"}


class Refusal(Exception):
    """A request that cannot be served.

    Attributes:
        code: HTTP status.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@attrs.define(eq=False)
class Socket:
    """The server's end of a websocket.

    Args:
        receive: ASGI.
        send: ASGI.
    """

    receive: Callable[[], Awaitable[MutableMapping[str, Any]]]
    _send: Callable[[MutableMapping[str, Any]], Awaitable[None]]

    async def accept(self, protocol: str) -> None:
        """Accepts it."""
        await self.receive()
        await self._send({"type": "websocket.accept", "subprotocol": protocol})

    async def refuse(self, code: int, text: str) -> None:
        """Answers with an HTTP error instead."""
        await self.receive()
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await self._send({"type": "websocket.http.response.start", "status": code, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": f"{text}\n".encode()})

    async def messages(self) -> AsyncIterator[bytes]:
        """What the client sends, until it leaves."""
        while (event := await self.receive())["type"] == "websocket.receive":
            yield event.get("bytes") or (event.get("text") or "").encode()

    async def send(self, message: bytes) -> None:
        """Sends a message."""
        await self._send({"type": "websocket.send", "bytes": message})

    async def close(self) -> None:
        """Closes it."""
        await self._send({"type": "websocket.close", "code": 1000})


def agreed(request: Request, served: Sequence[str] = PROTOCOLS) -> str:
    """The first subprotocol of the client's that is served.

    Raises:
        Refusal: there is none.
    """
    offered = [name.strip() for name in request.headers.get("sec-websocket-protocol", "").split(",")]
    for name in offered:
        if name in served:
            return name
    raise Refusal(403, f"unable to upgrade: no subprotocol of {offered} is served, only {list(served)}")


def session_options(request: Request) -> SessionOptions:
    """Which streams a request asks for.

    Raises:
        Refusal: none at all.
    """
    wanted = {name for name, value in request.query if value == "1"}
    if not wanted & {"input", "output", "error"}:
        raise Refusal(400, "you must specify at least 1 of stdin, stdout, stderr")
    return SessionOptions(stdin="input" in wanted, tty="tty" in wanted)


async def open_session(runtime: Runtime, container_id: str, request: Request, *, attach: bool) -> Session:
    """The streams that a request asks for.

    Raises:
        Refusal: the request makes no sense, or the container does not run.
        StartFailure: the command cannot be executed.
    """
    options = session_options(request)
    command = [value for name, value in request.query if name == "command"]
    try:
        if attach:
            return await runtime.open_attach(container_id, options)
        if not command:
            raise Refusal(400, "you must specify a command")
        return await runtime.open_exec(container_id, command, options)
    except RuntimeUnavailable as error:
        raise Refusal(500, str(error)) from None


async def converse(session: Session, socket: Socket) -> None:
    """Carries the streams of a session over an accepted websocket until it ends or the client leaves."""
    talking = asyncio.create_task(_tell(session, socket), name="session output")
    listening = asyncio.create_task(_listen(session, socket), name="session input")
    try:
        await asyncio.wait({talking, listening}, return_when=asyncio.FIRST_COMPLETED)
        if talking.done():
            talking.result()
    finally:
        for task in (talking, listening):
            task.cancel()
        await asyncio.gather(talking, listening, return_exceptions=True)
        await session.close()


async def fail_to_start(failure: StartFailure, socket: Socket) -> None:
    """Says over an accepted websocket that the command could not be executed: shells say 126 then."""
    await socket.send(bytes([_ERROR]) + msgspec.json.encode(ended(126, str(failure))))
    await socket.close()


def ended(code: int, message: str = "") -> Object:
    """How a command ended, as a Status."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    text = f"command terminated with non-zero exit code: {message or f'exit status {code}'}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": text,
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


async def _tell(session: Session, socket: Socket) -> None:
    """Sends output, then how it ended."""
    await socket.send(_OUTPUT["stdout"])
    async with contextlib.aclosing(session.output()) as output:
        async for stream, chunk in output:
            await socket.send(_OUTPUT[stream] + chunk)
    code = await session.exit_code()
    await socket.send(bytes([_ERROR]) + msgspec.json.encode(ended(code)))
    await socket.close()


async def _listen(session: Session, socket: Socket) -> None:
    """Passes input and sizes on."""
    async for message in socket.messages():
        match message[:1], message[1:]:
            case b"\x00", data:
                await session.write(data)
            case b"\x04", size:
                with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError):
                    given = msgspec.json.decode(size)
                    await session.resize(int(given["Width"]), int(given["Height"]))
            case b"\xff", b"\x00":
                await session.close_input()
