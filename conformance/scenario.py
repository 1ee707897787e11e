"""Scenarios and cases: how one is declared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import attrs

from conformance.agent_timing import AgentTiming
from conformance.kinds import Kind
from conformance.timing import Timing
from conformance.verdict import Violation

MASTER = "master"
NODE = "node"

Play = Callable[[Any], Awaitable[None]]
Judge = Callable[[Any], Iterable[Violation] | None]
F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen
class Scenario:
    """Something that is done to a target, so that cases can judge what came of it.

    Attributes:
        name: short, lower case, fit for names of objects.
        play: does it; asserts nothing, and ends as soon as everything it waits for was seen.
        needs: kinds the target must serve; without them its cases are `unsupported`.
        watches: kinds whose changes are recorded.
        optional: kinds that it uses and that are recorded where the target serves them.
        longest: seconds that the target's settings make it last at most, for planning.
        summary: the first line of its description.
        side: what is tested: `master` or `node`.
        abilities: what a node agent's driver must be able to do; see `conformance.driver`.
        alone: whether it is played after all others, on a target without any other node.
        only_watches: whether it does nothing to an agent but look at it, once it runs.
    """

    name: str
    play: Play
    needs: tuple[Kind, ...]
    watches: tuple[Kind, ...]
    longest: Callable[[Any], float]
    summary: str
    side: str = MASTER
    abilities: tuple[str, ...] = ()
    optional: tuple[Kind, ...] = ()
    alone: bool = False
    only_watches: bool = False


def usual(scenario: Scenario, timing: Timing) -> float:
    """Seconds that a scenario with a master lasts at most as a rule: no pod waits for the scheduler's last resort."""
    return scenario.longest(attrs.evolve(timing, unschedulable_flush=0))


def imposed(scenarios: Iterable[Scenario], timing: Any) -> float:
    """Seconds that a target's settings impose on scenarios: those that are played together cost the longest."""
    whole = list(scenarios)
    together = max((each.longest(timing) for each in whole if not each.alone), default=0.0)
    return together + sum(each.longest(timing) for each in whole if each.alone)


@attrs.frozen
class Waits:
    """How long a run had to wait for its target.

    Attributes:
        scenario: which lasted longest of those that are played together.
        seconds: how long.
        alone: seconds that scenarios took besides which have to be played alone.
    """

    scenario: str = ""
    seconds: float = 0
    alone: float = 0


@attrs.frozen
class Case:
    """What a case function declares.

    Attributes:
        ids: the requirements it judges; the first is the one it is named for.
        scenario: what it reads.
    """

    ids: tuple[str, ...]
    scenario: Scenario


def scenario(
    *,
    watches: tuple[Kind, ...],
    needs: tuple[Kind, ...] = (),
    optional: tuple[Kind, ...] = (),
    longest: Callable[[Timing], float],
    alone: bool = False,
) -> Callable[[Play], Scenario]:
    """Declares a scenario with a master; its name is the function's, with hyphens.

    Args:
        watches: kinds whose changes are recorded.
        needs: kinds the target must serve besides those watched.
        optional: kinds that it uses and that are recorded where the target serves them.
        longest: how long it lasts at most, from the target's timing.
        alone: whether it is played after all others, on a target without any other node.
    """

    def declare(play: Play) -> Scenario:
        return Scenario(
            name=play.__name__.replace("_", "-"),
            play=play,
            needs=tuple(dict.fromkeys((*watches, *needs))),
            watches=watches,
            longest=longest,
            summary=(play.__doc__ or "").strip().partition("\n")[0],
            optional=optional,
            alone=alone,
        )

    return declare


def agent_scenario(
    *,
    watches: tuple[Kind, ...],
    abilities: tuple[str, ...] = (),
    longest: Callable[[AgentTiming], float],
    only_watches: bool = False,
) -> Callable[[Play], Scenario]:
    """Declares a scenario with a node agent; its name is the function's, with hyphens.

    Args:
        watches: kinds whose changes are recorded, besides the agent's requests.
        abilities: what the agent's driver must be able to do.
        longest: how long it lasts at most, from the agent's timing.
        only_watches: whether it does nothing to the agent but look at it, once it runs.
    """

    def declare(play: Play) -> Scenario:
        return Scenario(
            name=play.__name__.replace("_", "-"),
            play=play,
            needs=(),
            watches=watches,
            longest=longest,
            summary=(play.__doc__ or "").strip().partition("\n")[0],
            side=NODE,
            abilities=abilities,
            only_watches=only_watches,
        )

    return declare


def judges(*ids: str, reads: Scenario) -> Callable[[F], F]:
    """Declares a case: a function of `Seen` (or `AgentSeen`) that judges requirements.

    Args:
        ids: the requirements.
        reads: the scenario whose history it gets.
    """

    def declare(function: F) -> F:
        function.__case__ = Case(ids, reads)  # type: ignore[attr-defined]
        return function

    return declare


def case_of(function: object) -> Case | None:
    """What a function declares, or None when it is no case."""
    found = getattr(function, "__case__", None)
    return found if isinstance(found, Case) else None
