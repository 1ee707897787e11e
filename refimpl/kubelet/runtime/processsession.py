"""Open streams of a command that runs beside a container of the process runtime, with pipes or with a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import AsyncGenerator, Mapping
from typing import Final

import attrs

from refimpl.kubelet.runtime.base import SessionOptions, StartFailure, Stream

_CHUNK: Final = 65536
_END_OF_INPUT: Final = b"\x04"


async def open_session(command: list[str], cwd: str, env: Mapping[str, str], options: SessionOptions) -> PipeSession:
    """Starts a command.

    Raises:
        StartFailure: it cannot be executed.
    """
    try:
        if options.tty:
            return await _with_terminal(command, cwd, env)
        return await _with_pipes(command, cwd, env, stdin=options.stdin)
    except OSError as error:
        raise StartFailure("ExecError", f"exec: {command[0]!r}: {error.strerror}") from error


async def _with_pipes(command: list[str], cwd: str, env: Mapping[str, str], *, stdin: bool) -> PipeSession:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=env,
        stdin=pipe if stdin else asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )
    return PipeSession(process)


async def _with_terminal(command: list[str], cwd: str, env: Mapping[str, str]) -> TerminalSession:
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env={"TERM": "xterm", **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            # A session of its own, with the terminal as the controlling one: Ctrl-C reaches the command.
            preexec_fn=lambda: os.login_tty(theirs),
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return TerminalSession(process, ours)


@attrs.define(eq=False)
class PipeSession:
    """See `refimpl.kubelet.runtime.base.Session`.

    Args:
        process: the command, leader of its own process group.
    """

    process: asyncio.subprocess.Process

    async def output(self) -> AsyncGenerator[tuple[Stream, bytes], None]:
        """See `Session`."""
        chunks: asyncio.Queue[tuple[Stream, bytes]] = asyncio.Queue(maxsize=16)

        async def pump(stream: Stream, reader: asyncio.StreamReader | None) -> None:
            while reader is not None and (chunk := await reader.read(_CHUNK)):
                await chunks.put((stream, chunk))
            await chunks.put((stream, b""))

        pumps = [
            asyncio.create_task(pump("stdout", self.process.stdout), name="exec stdout"),
            asyncio.create_task(pump("stderr", self.process.stderr), name="exec stderr"),
        ]
        try:
            left = len(pumps)
            while left:
                stream, chunk = await chunks.get()
                if chunk:
                    yield stream, chunk
                else:
                    left -= 1
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def write(self, data: bytes) -> None:
        """See `Session`."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.write(data)
                await self.process.stdin.drain()

    async def close_input(self) -> None:
        """See `Session`."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    async def resize(self, width: int, height: int) -> None:
        """See `Session`: there is no terminal."""

    async def exit_code(self) -> int:
        """See `Session`."""
        code = await self.process.wait()
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        """See `Session`."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()


@attrs.define(eq=False)
class TerminalSession(PipeSession):
    """The same with a terminal.

    Args:
        process: the command.
        terminal: our end of the terminal, not blocking; closed by `close`.
    """

    terminal: int

    async def output(self) -> AsyncGenerator[tuple[Stream, bytes], None]:
        """See `Session`: a terminal whose other end is closed cannot be read any more, that is its end."""
        while True:
            try:
                chunk = os.read(self.terminal, _CHUNK)
            except BlockingIOError:
                await _ready(self.terminal, to_write=False)
                continue
            except OSError:
                return
            if not chunk:
                return
            yield "stdout", chunk

    async def write(self, data: bytes) -> None:
        """See `Session`."""
        rest = data
        with contextlib.suppress(OSError):
            while rest:
                try:
                    rest = rest[os.write(self.terminal, rest) :]
                except BlockingIOError:
                    await _ready(self.terminal, to_write=True)

    async def close_input(self) -> None:
        """See `Session`: a terminal says so with Ctrl-D."""
        await self.write(_END_OF_INPUT)

    async def resize(self, width: int, height: int) -> None:
        """See `Session`."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    async def close(self) -> None:
        """See `Session`."""
        await super().close()
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1


async def _ready(descriptor: int, *, to_write: bool) -> None:
    """Waits until a descriptor can be read or written."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)
