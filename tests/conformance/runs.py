"""Runs in small: one scenario of the suite, or one made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from conformance.client import ApiClient
from conformance.clock import SuiteClock
from conformance.collect import Entry, collect
from conformance.drive.scenarios.master.silence import silence
from conformance.drive.stage import Stage
from conformance.judge.seen import Seen
from conformance.kinds import LEASE, NAMESPACE, NODE, POD
from conformance.report.results import Report
from conformance.scenario import Case, Scenario, scenario
from conformance.verdict import Verdict
from conformance.wire import Wire

SLICE = [found for found in collect() if found.case.scenario is silence]
"""The cases on one silence: the story of the suite in small."""


def verdicts(report: Report) -> dict[str, Verdict]:
    return {result.case.partition("::")[2]: result.verdict for result in report.results}


def play(name: str, act: Callable[[Stage], Any], longest: float = 10, **more: Any) -> Scenario:
    made = scenario(watches=(NODE, POD), longest=lambda timing: longest)(act)
    return attrs.evolve(made, name=name, **more)


def entry(scene: Scenario, judge: Callable[[Seen], Any] = lambda seen: None, name: str = "test_it") -> Entry:
    return Entry(f"x.py::{name}", judge, Case(("M-HB-03",), scene))


async def nothing(stage: Stage) -> None:
    """Does nothing."""


async def inventory(wire: Wire) -> dict[str, list[str]]:
    client = ApiClient(wire, clock=SuiteClock(seed=0), who="test", note=lambda _: None)
    found = {}
    for kind in (NODE, POD, LEASE, NAMESPACE):
        items = (await client.get(kind.path()))["items"]
        found[kind.name] = sorted(item["metadata"]["name"] for item in items)
    return found


EMPTY = {
    "Node": [],
    "Pod": [],
    "Lease": [],
    "Namespace": ["default", "kube-node-lease", "kube-public", "kube-system"],
}
