"""A run in a child of this process, beside the run in this one: where time only jumps, a second processor is free."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import attrs

from conformance.collect import Entry
from conformance.report.results import Report, Result
from conformance.runner.engine import Engine
from conformance.target import TargetError
from conformance.verdict import place


@attrs.frozen
class Told:
    """What a child tells of its run.

    Attributes:
        announcement: what has begun.
        results: by the cases' names.
        report: of the whole run.
        error: why the target could not be tested; empty when it could.
    """

    announcement: str = ""
    results: Mapping[str, Result] = attrs.field(factory=dict)
    report: Report | None = None
    error: str = ""


class Aside:
    """Does what an `Engine` does, but all of it at once and elsewhere; whoever asks waits until all is done.

    Args:
        engine: that has not begun.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._child = 0
        self._from_child: BinaryIO | None = None
        self._told: Told | None = None

    def start(self, entries: Sequence[Entry]) -> None:
        """Forks the child, and lets it ask all cases."""
        readable, writable = os.pipe()
        self._child = os.fork()
        if self._child:
            os.close(writable)
            self._from_child = os.fdopen(readable, "rb")
            return
        try:
            os.close(readable)
            with os.fdopen(writable, "wb") as out:
                pickle.dump(_told(self._engine, entries), out, pickle.HIGHEST_PROTOCOL)
        finally:
            # Nothing of the parent's, such as its reports of what it has run so far, may be done twice.
            os._exit(0)

    @property
    def started(self) -> bool:
        """Whether the target could be tested at all."""
        return self._whole().report is not None

    def announcement(self) -> str:
        """See `Engine`.

        Raises:
            TargetError: the target cannot be tested.
        """
        told = self._whole()
        if told.error:
            raise TargetError(told.error)
        return told.announcement

    def result(self, entry: Entry) -> Result:
        """What a case came to."""
        return self._whole().results[entry.nodeid]

    def report(self) -> Report:
        """The whole run."""
        report = self._whole().report
        assert report is not None
        return report

    def close(self) -> None:
        """Ends the child, whether it is done or not."""
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            self._reap()

    def _whole(self) -> Told:
        if self._told is None:
            data = self._from_child.read() if self._from_child else b""
            self._told = pickle.loads(data) if data else Told(error="the process of its run ended before it was done")
            self._reap()
        return self._told

    def _reap(self) -> None:
        if self._from_child is not None:
            self._from_child.close()
        if self._child:
            os.waitpid(self._child, 0)
        self._child, self._from_child = 0, None


def possible() -> bool:
    """Whether this process can have such a child, and there is a processor for it."""
    return hasattr(os, "fork") and (os.cpu_count() or 1) > 1 and threading.active_count() == 1


def _told(engine: Engine, entries: Sequence[Entry]) -> Told:
    try:
        engine.start(entries)
        announcement = engine.announcement()
        try:
            results = {entry.nodeid: engine.result(entry) for entry in entries}
        finally:
            engine.close()
    except TargetError as error:
        return Told(error=str(error))
    except Exception as error:  # noqa: BLE001 - it is told where it can be shown
        return Told(error=f"its run broke: {place(error)}")
    return Told(announcement, results, engine.report())
