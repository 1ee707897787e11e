"""Time, randomness and identifiers of the suite: the one module of it that may ask the machine for them.

Everything else gets a `SuiteClock`. Durations are read from the running event loop, so that a run against a target in
virtual time and a run against a live one are the same code. Wall-clock stamps are derived from the loop's time.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

_TICK = 1e-6
_ALPHABET = "bcdfghjkmnpqrstvwxz2456789"


class SuiteClock:
    """Clock and seeded randomness of one run.

    Args:
        seed: seed of the random generator.
        epoch: wall-clock time at which the loop's clock read zero; `None` takes it from the machine (a live target).

    Attributes:
        random: the seeded generator of all random choices.
        epoch: wall-clock time at which the loop's clock read zero.
        live: whether time passes by itself, outside as inside.
    """

    def __init__(self, *, seed: int, epoch: datetime | None = None) -> None:
        self.random = random.Random(seed)
        self._seed = seed
        self.live = epoch is None
        self._last = 0.0
        self.epoch = epoch if epoch is not None else datetime.now(UTC) - timedelta(seconds=time.monotonic())

    def dice(self, name: str) -> random.Random:
        """A generator of its own: what it gives depends on seed and name alone, and not on what else is drawn."""
        return random.Random(f"{self._seed}/{name}")

    def monotonic(self) -> float:
        """Seconds on the running loop's clock; only differences mean anything."""
        return asyncio.get_running_loop().time()

    def moment(self) -> float:
        """Like `monotonic`, but later than every moment handed out before: facts stamped with it have an order.

        In virtual time many things happen at one instant; they come out a microsecond apart.
        """
        self._last = max(self.monotonic(), self._last + _TICK)
        return self._last

    def now(self) -> datetime:
        """The current UTC wall-clock time."""
        return self.epoch + timedelta(seconds=self.monotonic())

    def timestamp(self) -> str:
        """Now as the API writes `Time`: RFC 3339, whole seconds."""
        return format_time(self.now())

    def micro_timestamp(self) -> str:
        """Now as the API writes `MicroTime`: RFC 3339, six fractional digits."""
        return format_micro_time(self.now())

    def run_id(self) -> str:
        """Identifier of this run, part of every name the suite creates.

        Against a live target it never depends on the seed: two runs with one seed must not share names.
        """
        source = random.SystemRandom() if self.live else self.random
        return "".join(source.choices(_ALPHABET, k=6))


def stopwatch() -> float:
    """Real seconds of the machine, whatever the target's clock does; for telling how long a run took."""
    return time.monotonic()


def utc_now() -> datetime:
    """The machine's wall clock, for what has nothing to do with a run's time, such as expiring credentials."""
    return datetime.now(UTC)


def fresh_seed() -> int:
    """A seed for a run that was given none."""
    return random.SystemRandom().randrange(1_000_000)


def format_time(moment: datetime) -> str:
    """RFC 3339 with whole seconds, UTC, as `metav1.Time` is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """RFC 3339 with six fractional digits, UTC, as `metav1.MicroTime` is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Reads `metav1.Time` or `metav1.MicroTime`.

    Raises:
        ValueError: the text is not RFC 3339 with a time zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
