"""A container that exists only here: it walks through its program on the loop's timers, without a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import attrs

from refimpl.clock import Clock
from refimpl.kubelet.runtime.base import Container, Signal
from refimpl.kubelet.runtime.script import Program, Step

_LOG_LIMIT: Final = 10_000


@attrs.frozen
class LogLine:
    """One line of output.

    Attributes:
        written_at: when.
        text: without the line break.
    """

    written_at: datetime
    text: str


class SimulatedContainer:
    """One run of a container.

    Args:
        facts: its identity; running.
        program: what it does.
        clock: time.
        ended: told once, when it ends.
    """

    def __init__(self, facts: Container, program: Program, clock: Clock, ended: Callable[[], None]) -> None:
        self.facts = facts
        self.log: list[LogLine] = []
        self.written = asyncio.Event()
        self.files: dict[str, bool] = {}
        self._program = program
        self._clock = clock
        self._ended = ended
        self._on_term: int | None = program.on_term
        self._position = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Starts walking, from the loop's next round."""
        self._timer = asyncio.get_running_loop().call_later(0, self._walk)

    def deliver(self, signal: Signal) -> None:
        """Receives a signal."""
        if not self.facts.running:
            return
        if signal == "KILL":
            self.end(137)
        elif self._on_term is not None:
            self.end(self._on_term)

    def end(self, exit_code: int, *, reason: str = "", message: str = "") -> None:
        """Ends with an exit code; nothing happens the second time."""
        if not self.facts.running:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.facts = attrs.evolve(
            self.facts,
            state="exited",
            finished_at=self._clock.now(),
            exit_code=exit_code,
            reason=reason,
            message=message,
        )
        self.written.set()
        self._ended()

    def write(self, text: str) -> None:
        """Writes a line of output."""
        self.log.append(LogLine(self._clock.now(), text))
        del self.log[:-_LOG_LIMIT]
        self.written.set()

    def do(self, step: Step) -> int | None:
        """Does one step that takes no time; its exit code where the program ends with it."""
        match step.verb:
            case "exit":
                return int(step.argument) if step.argument.isdigit() else 2
            case "echo":
                self.write(step.argument)
            case "touch" | "rm":
                self.files[step.argument] = step.verb == "touch"
            case "check" if not self.files.get(step.argument):
                return 1
            case "trap":
                self._on_term = int(step.argument) if step.argument.isdigit() else None
        return None

    def _walk(self) -> None:
        """Does steps until one takes time."""
        self._timer = None
        while self.facts.running:
            step = self._next()
            if step is None:
                self.end(0)
            elif step.verb == "wait":
                return
            elif step.verb == "sleep":
                self._timer = asyncio.get_running_loop().call_later(float(step.argument), self._walk)
                return
            else:
                exit_code = self.do(step)
                if exit_code is not None:
                    self.end(exit_code)

    def _next(self) -> Step | None:
        """The next step; a loop without a sleep would never end, so it waits."""
        steps, loop = self._program.steps, self._program.loop
        position = self._position
        self._position += 1
        if position < len(steps):
            return steps[position]
        if not loop:
            return None
        if not any(step.verb in {"sleep", "wait", "exit"} for step in loop):
            return Step("wait")
        return loop[(position - len(steps)) % len(loop)]
