"""Container logs in the format of the Container Runtime Interface: `TIME STREAM F|P TEXT`."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncGenerator, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from refimpl.clock import parse_time
from refimpl.kubelet.runtime.base import LogOptions

_POLL_SECONDS: Final = 0.2
_CHUNK: Final = 65536


def shown(line: bytes, options: LogOptions) -> bytes | None:
    """One line of the file as a reader gets it; None when it is too old, or no line of this format."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 4:
        return None
    stamp, _, tag, text = parts
    if options.since is not None and written_at(stamp) < options.since:
        return None
    end = b"" if tag == b"P" else b"\n"
    return (stamp + b" " + text if options.timestamps else text) + end


def written_at(stamp: bytes) -> datetime:
    """The time of a line; nanoseconds are cut to microseconds."""
    text = stamp.decode()
    return parse_time(text[:26] + "Z" if len(text) > 27 else text)


def last_lines(content: bytes, count: int | None) -> list[bytes]:
    """The last lines of a file's content, each with its line break; all of them when `count` is None."""
    lines = content.splitlines(keepends=True)
    return lines if count is None else lines[max(0, len(lines) - count) :]


async def read_log(path: Path, options: LogOptions, running: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
    """A log's lines; with `follow` until the container has ended and everything was read.

    Args:
        path: the file.
        options: which part of it.
        running: whether the container still runs.
    """
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        beginning = file.read()
        # An unfinished last line is read again with its end.
        complete = beginning[: beginning.rfind(b"\n") + 1]
        yield b"".join(_shown(last_lines(complete, options.tail), options))
        file.seek(len(complete))
        while options.follow:
            was_running = running()
            chunk = await _next_lines(file)
            if chunk:
                yield b"".join(_shown(chunk, options))
            elif not was_running:
                return
            else:
                await asyncio.sleep(_POLL_SECONDS)


async def _next_lines(file: io.BufferedReader) -> list[bytes]:
    """The complete lines written since; leaves the file after them."""
    position = file.tell()
    content = file.read(_CHUNK)
    complete = content[: content.rfind(b"\n") + 1]
    file.seek(position + len(complete))
    return complete.splitlines(keepends=True)


def _shown(lines: Iterable[bytes], options: LogOptions) -> Iterable[bytes]:
    return [text for line in lines if (text := shown(line, options)) is not None]
