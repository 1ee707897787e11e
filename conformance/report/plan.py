"""What a run would do, before it does anything."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, Protocol

from conformance.collect import Entry
from conformance.scenario import Scenario, imposed


class Opened(Protocol):
    """What a plan needs of a session that was opened."""

    address: str
    facts: Any
    timing: Any


def plan(session: Opened, entries: Iterable[Entry], left_out: Iterable[str], notes: Iterable[str]) -> list[str]:
    """The lines: scenarios, what they are for, how long they may take, and what would be in the way.

    Args:
        session: opened, not playing.
        entries: the chosen cases.
        left_out: names of scenarios that will not be played.
        notes: what would be in the way.
    """
    by_scenario: dict[str, tuple[Scenario, int]] = {}
    for entry in entries:
        scenario = entry.case.scenario
        by_scenario[scenario.name] = (scenario, by_scenario.get(scenario.name, (scenario, 0))[1] + 1)
    skipped = set(left_out)
    lines = [f"target {session.address} ({session.facts.version})", ""]
    for scenario, cases in sorted(by_scenario.values(), key=lambda item: -item[0].longest(session.timing)):
        seconds = scenario.longest(session.timing)
        mark = "left out" if scenario.name in skipped else f"{seconds:6.0f} s"
        text = f"{mark:>8}  {scenario.name} ({cases} case{'s' if cases > 1 else ''}): {scenario.summary}"
        lines += textwrap.wrap(text, 116, subsequent_indent=" " * 12)
    played = [scenario for scenario, _ in by_scenario.values() if scenario.name not in skipped]
    alone = ", ".join(scenario.name for scenario in played if scenario.alone)
    how = f"all scenarios play together, but {alone} after the others" if alone else "all scenarios play together"
    lines += ["", f"{how}: up to {imposed(played, session.timing):.0f} s by the target's settings, then clean-up"]
    lines.append("every object would be named nc-RUN-… and labelled node-contract.dev/run=RUN; nothing else is touched")
    return [*lines, *(f"note: {note}" for note in notes)]
