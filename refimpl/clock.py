"""Time, randomness and uids: the one module of the reference that may ask for them.

Every component gets a `Clock`. It reads the running event loop's time and *derives* wall-clock stamps from it, so the
same code runs in two worlds:

* **live**: a uvloop; the epoch is the machine's wall clock at construction.
* **virtual**: a loop whose time jumps to the next timer as soon as nothing is runnable. Five minutes of toleration cost
  no real time, and for one seed every timestamp, uid and random choice is the same in every run.

Hazards of the virtual world: a thread, a subprocess or a socket is invisible to the loop's notion of "nothing is
runnable"; time may jump past a timeout while the outside world is still working. Virtual runs therefore use the
in-process transport, the in-memory store and the simulated container runtime, and nothing else.

The linter forbids `time.time`, `time.monotonic`, `time.sleep`, `datetime.now`, `uuid.uuid4` and the module-level
functions of `random` everywhere else in `refimpl`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

from refimpl.virtualloop import VirtualLoop

T = TypeVar("T")

VIRTUAL_EPOCH = datetime(2018, 7, 2, 2, 11, 27, tzinfo=UTC)
"""Where virtual time starts: the creation time of the node in the article the project began with."""

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = 1_000_000
"""In a second."""

_UUID_MASK = ~((0xF << 76) | (0x3 << 62))
_UUID_VERSION_4 = (4 << 76) | (2 << 62)
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Clock:
    """Wall clock, monotonic clock, randomness and uids of one process (or of one virtual cluster).

    Args:
        epoch: wall-clock time at which the loop's clock read zero. `None` means live: taken from the machine.
        seed: seed of the random generator. `None` means unpredictable.
    """

    def __init__(self, *, epoch: datetime | None = None, seed: int | None = None) -> None:
        self.random = random.Random(seed)
        self._epoch = epoch if epoch is not None else datetime.now(UTC) - timedelta(seconds=time.monotonic())
        self._epoch_microseconds = (self._epoch - _UNIX_EPOCH) // timedelta(microseconds=1)
        self._written = (-1, "")

    @classmethod
    def virtual(cls, seed: int = 0) -> Self:
        """A clock for a virtual loop: fixed epoch, seeded randomness."""
        return cls(epoch=VIRTUAL_EPOCH, seed=seed)

    def monotonic(self) -> float:
        """Seconds on the running loop's clock; only differences mean anything."""
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """The current UTC wall-clock time, derived from the loop's clock."""
        return self._epoch + timedelta(seconds=asyncio.get_running_loop().time())

    def timestamp(self) -> str:
        """Now as the API writes `Time`: RFC 3339, whole seconds, `Z`."""
        return self._write(self._microseconds() // _MICROSECONDS) + "Z"

    def micro_timestamp(self) -> str:
        """Now as the API writes `MicroTime`: RFC 3339, six fractional digits, `Z`."""
        second, fraction = divmod(self._microseconds(), _MICROSECONDS)
        return f"{self._write(second)}.{fraction:06d}Z"

    def _microseconds(self) -> int:
        return self._epoch_microseconds + round(asyncio.get_running_loop().time() * _MICROSECONDS)

    def _write(self, second: int) -> str:
        """A second since 1970 as RFC 3339 without zone: a cluster writes each of them many times."""
        if second != self._written[0]:
            self._written = (second, format_time(_UNIX_EPOCH + timedelta(seconds=second))[:-1])
        return self._written[1]

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Waits on the loop's clock."""
        return asyncio.sleep(seconds)

    def uid(self) -> str:
        """A fresh random UUID (version 4) in text form."""
        text = f"{self.random.getrandbits(128) & _UUID_MASK | _UUID_VERSION_4:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def name_suffix(self, length: int = 5) -> str:
        """Random characters for `generateName`, from Kubernetes' alphabet without vowels and look-alikes."""
        return "".join(self.random.choices(_SUFFIX_ALPHABET, k=length))

    def jitter(self, seconds: float, factor: float) -> float:
        """A duration drawn evenly from `[seconds, seconds * (1 + factor))`."""
        return seconds * (1 + self.random.random() * factor)


def format_time(moment: datetime) -> str:
    """RFC 3339 with whole seconds, UTC, as `metav1.Time` is written."""
    return _in_utc(moment).isoformat(timespec="seconds")[:-6] + "Z"


def format_micro_time(moment: datetime) -> str:
    """RFC 3339 with six fractional digits, UTC, as `metav1.MicroTime` is written."""
    return _in_utc(moment).isoformat(timespec="microseconds")[:-6] + "Z"


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def parse_time(text: str) -> datetime:
    """Reads `metav1.Time` or `metav1.MicroTime`.

    Raises:
        ValueError: the text is not RFC 3339.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)


def virtual_loop() -> asyncio.AbstractEventLoop:
    """A new event loop whose time jumps; starts at zero."""
    return VirtualLoop()


def live_loop() -> asyncio.AbstractEventLoop:
    """A new uvloop event loop on real time."""
    import uvloop

    return uvloop.new_event_loop()


def run(main: Coroutine[object, object, T], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] = live_loop) -> T:
    """`asyncio.run` on a loop of the given kind."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main)
