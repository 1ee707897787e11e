"""Crash back-off: the first restart is immediate, each further one waits twice as long, up to five minutes.

The wait is measured from the end of the crashed run; a run of ten minutes clears the record.

Source: `client-go/util/flowcontrol/backoff.go` as kubelet 1.36 `doBackOff` uses it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import attrs

FIRST_WAIT: Final = 10.0


@attrs.frozen
class Crashes:
    """What is remembered of a container's restarts.

    Attributes:
        wait: seconds that the next restart waits.
        restarted_at: when the last one happened.
    """

    wait: float
    restarted_at: datetime


def remaining(record: Crashes | None, finished_at: datetime, now: datetime, *, longest: float) -> float:
    """Seconds until a container that ended at `finished_at` may be restarted; 0 when it may be at once."""
    if record is None or is_forgiven(record, finished_at, longest=longest):
        return 0.0
    return max(0.0, record.wait - (now - finished_at).total_seconds())


def restarted(record: Crashes | None, finished_at: datetime, now: datetime, *, longest: float) -> Crashes:
    """The record after a restart at `now` of a run that ended at `finished_at`."""
    if record is None or is_forgiven(record, finished_at, longest=longest):
        return Crashes(min(FIRST_WAIT, longest), now)
    return Crashes(next_wait(record.wait, longest=longest), now)


def next_wait(wait: float, *, longest: float) -> float:
    """The wait after one more crash, in seconds."""
    return min(wait * 2, longest)


def is_forgiven(record: Crashes, finished_at: datetime, *, longest: float) -> bool:
    """Whether the last run was long enough (twice the longest wait) to start counting anew."""
    return (finished_at - record.restarted_at).total_seconds() > 2 * longest


def words(wait: float, container: str, pod: str) -> str:
    """The message of a container that waits in back-off."""
    minutes, seconds = divmod(round(wait), 60)
    shown = f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
    return f"back-off {shown} restarting failed container={container} pod={pod}"
