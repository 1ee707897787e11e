"""What all component commands share: logging, signals, the parent's end, and one clear line for a failure.

A component runs until SIGINT or SIGTERM. Started with `--with-parent` it also ends when its standard input does, so
that no process outlives a supervisor that was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Coroutine

from refimpl.api.errors import ApiError
from refimpl.client.transport import Unreachable
from refimpl.clock import live_loop

log = logging.getLogger(__name__)

Service = Callable[[], Coroutine[object, object, None]]
"""Works until cancelled."""


class Refused(Exception):
    """The command cannot do what it was asked; the text is the one line that the user sees."""


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    """`-v` and `--with-parent`."""
    parser.add_argument("-v", "--verbose", action="store_true", help="log debug messages to stderr too")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")


def announce(text: str) -> None:
    """Says on stdout, at once, where the component listens or what it joined."""
    print(text, flush=True)


def serve(name: str, service: Service, options: argparse.Namespace) -> int:
    """Runs a component until it is stopped; returns the exit status."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if options.verbose else logging.INFO,
        format=f"%(asctime)s {name} %(levelname)s %(message)s",
    )
    for chatty in ("httpx", "httpcore", "asyncio", "uvicorn.error", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=live_loop) as runner:
            runner.run(_until_stopped(service, with_parent=options.with_parent))
    except Refused as refusal:
        return _say(name, refusal)
    except ExceptionGroup as group:
        expected, rest = group.split((Refused, Unreachable, ApiError, OSError))
        if rest is not None or expected is None:
            raise
        return _say(name, _first(expected))
    except (Unreachable, ApiError, OSError) as failure:
        return _say(name, failure)
    return 0


def _say(name: str, failure: BaseException) -> int:
    print(f"{name}: {failure}", file=sys.stderr)
    return 1


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


async def _until_stopped(service: Service, *, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if with_parent:
        await loop.connect_read_pipe(lambda: _EndOfInput(stopped), sys.stdin)
    task = asyncio.create_task(service(), name="service")
    waiting = asyncio.create_task(stopped.wait(), name="stop signal")
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for pending in (task, waiting):
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pending


class _EndOfInput(asyncio.Protocol):
    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()
