"""Scenarios in progress: they run side by side, each ends by itself, by its guard, or when the run is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from conformance.client import ApiRefused
from conformance.scenario import Scenario, Waits
from conformance.verdict import SuiteError, Unsupported, place
from conformance.wire import NoAnswer

S = TypeVar("S")

_GUARD = 120.0


class Plays(Generic[S]):
    """Runs scenarios; `S` is what each of them leaves to be judged."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[S]] = {}
        self._lost: SuiteError | None = None
        self._began: dict[str, float] = {}
        self._lasted: dict[str, float] = {}
        self._alone: dict[str, None] = {}

    def start(self, scenario: Scenario, play: Callable[[], Awaitable[S]], longest: float) -> None:
        """Starts one.

        Args:
            scenario: which.
            play: plays it to its end.
            longest: seconds it may take by the target's settings; the guard leaves it ample time beyond.
        """
        task = asyncio.create_task(
            self._guarded(scenario, play, longest * 2 + _GUARD), name=f"scenario {scenario.name}"
        )
        self._tasks[scenario.name] = task

    def begin(self, scenario: Scenario) -> None:
        """Counts a scenario's time from now on: what it waited for before was the others' affair."""
        self._began[scenario.name] = asyncio.get_running_loop().time()
        if scenario.alone:
            self._alone[scenario.name] = None

    def waits(self) -> Waits:
        """How long the scenarios have lasted that are over."""
        together = {name: seconds for name, seconds in self._lasted.items() if name not in self._alone}
        longest = max(together.items(), key=lambda item: item[1], default=("", 0.0))
        return Waits(*longest, alone=sum(self._lasted.get(name, 0.0) for name in self._alone))

    def started(self) -> list[str]:
        """The names of those that were started so far."""
        return list(self._tasks)

    async def over(self, names: Iterable[str]) -> None:
        """Waits until those have ended, in whatever way."""
        tasks = [self._tasks[name] for name in names]
        if tasks:
            await asyncio.wait(tasks)

    async def seen(self, scenario: Scenario) -> S:
        """Waits for one and returns what it left.

        Raises:
            Unsupported: the target lacks what it needs.
            SuiteError: it could not be played to its end.
        """
        return await asyncio.shield(self._tasks[scenario.name])

    def give_up(self, error: SuiteError) -> None:
        """Ends those that still play with an error."""
        self._lost = error
        for task in self._tasks.values():
            task.cancel()

    async def stop(self) -> None:
        """Ends those that still play."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _guarded(self, scenario: Scenario, play: Callable[[], Awaitable[S]], guard: float) -> S:
        self.begin(scenario)
        try:
            async with asyncio.timeout(guard):
                return await play()
        except TimeoutError:
            raise SuiteError(f"scenario {scenario.name} did not end within {guard:g} s") from None
        except asyncio.CancelledError:
            if self._lost is None:
                raise
            raise self._lost from None
        except Exception as error:
            raise reason(scenario.name, error) from error
        finally:
            self._lasted[scenario.name] = asyncio.get_running_loop().time() - self._began[scenario.name]


def reason(name: str, error: BaseException) -> Exception:
    """Why a scenario ended early, in one line, from whatever was raised first in it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, SuiteError | Unsupported):
        return error
    if isinstance(error, ApiRefused | NoAnswer):
        return SuiteError(f"scenario {name} could not go on: {error}")
    return SuiteError(f"scenario {name} broke: {place(error)}")
