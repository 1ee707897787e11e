"""Open streams of a command in a Docker container, or of the container's main process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator
from typing import Final

import attrs

from refimpl.kubelet.runtime.base import RuntimeUnavailable, SessionOptions, StartFailure, Stream
from refimpl.kubelet.runtime.engineapi import Connection, Engine, EngineError, demultiplexed

_POLLS: Final = 100
_POLL: Final = 0.05
"""How often, and how many seconds apart, to ask for an exit code; it is known a little after the streams end."""


@attrs.define(eq=False)
class DockerSession:
    """See `refimpl.kubelet.runtime.base.Session`.

    Args:
        engine: the engine.
        path: the object whose end is waited for, `/exec/ID` or `/containers/ID`.
        connection: its streams.
        tty: whether it has a terminal.
    """

    engine: Engine
    path: str
    connection: Connection
    tty: bool

    @property
    def _is_exec(self) -> bool:
        return self.path.startswith("/exec/")

    async def output(self) -> AsyncGenerator[tuple[Stream, bytes], None]:
        """See `Session`."""
        if self.tty:
            async for chunk in self.connection.chunks():
                yield "stdout", chunk
        else:
            async for stream, chunk in demultiplexed(self.connection.chunks()):
                yield stream, chunk

    async def write(self, data: bytes) -> None:
        """See `Session`."""
        with contextlib.suppress(OSError):
            self.connection.writer.write(data)
            await self.connection.writer.drain()

    async def close_input(self) -> None:
        """See `Session`."""
        with contextlib.suppress(OSError):
            self.connection.writer.write_eof()

    async def resize(self, width: int, height: int) -> None:
        """See `Session`: a program that has just ended has no terminal any more."""
        with contextlib.suppress(EngineError):
            await self.engine.send("POST", f"{self.path}/resize", {"w": str(width), "h": str(height)})

    async def exit_code(self) -> int:
        """See `Session`."""
        if not self._is_exec:
            answer = await self.engine.send("POST", f"{self.path}/wait")
            return int(answer["StatusCode"])
        for _ in range(_POLLS):
            found = await self.engine.get(f"{self.path}/json")
            if not found["Running"]:
                return int(found["ExitCode"] or 0)
            await asyncio.sleep(_POLL)
        raise RuntimeUnavailable(f"{self.path}: the streams have ended, the command has not")

    async def close(self) -> None:
        """See `Session`: an engine cannot end a command, but its process is one of this machine."""
        self.connection.writer.close()
        if not self._is_exec:
            return
        with contextlib.suppress(EngineError, RuntimeUnavailable):
            found = await self.engine.get(f"{self.path}/json")
            if found["Running"] and found.get("Pid"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(found["Pid"], signal.SIGKILL)


async def open_exec(engine: Engine, container_id: str, command: list[str], options: SessionOptions) -> DockerSession:
    """See `Runtime.open_exec`."""
    wanted = {
        "Cmd": command,
        "AttachStdin": options.stdin,
        "AttachStdout": True,
        "AttachStderr": not options.tty,
        "Tty": options.tty,
    }
    try:
        made = await engine.send("POST", f"/containers/{container_id}/exec", body=wanted)
        path = f"/exec/{made['Id']}"
        connection = await engine.hijack(f"{path}/start", body={"Detach": False, "Tty": options.tty})
    except EngineError as error:
        if error.status in {404, 409}:
            raise RuntimeUnavailable(f"container {container_id} does not run: {error}") from error
        raise StartFailure("ExecError", error.message) from error
    return DockerSession(engine, path, connection, options.tty)


async def open_attach(engine: Engine, container_id: str, options: SessionOptions) -> DockerSession:
    """See `Runtime.open_attach`: whether there is a terminal was decided when the container was made."""
    path = f"/containers/{container_id}"
    query = {"stream": "1", "stdout": "1", "stderr": "1", "stdin": "1" if options.stdin else "0"}
    try:
        found = await engine.get(f"{path}/json")
        connection = await engine.hijack(f"{path}/attach", query)
    except EngineError as error:
        raise RuntimeUnavailable(f"container {container_id}: {error}") from error
    return DockerSession(engine, path, connection, bool(found["Config"]["Tty"]))
