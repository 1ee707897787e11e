"""The programmatic runner: cases against a target, without pytest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from conformance import catalogue
from conformance.catalogue import Catalogue
from conformance.collect import Entry, collect
from conformance.given.baseline import Baseline
from conformance.given.declared import Declared
from conformance.given.terms import Limits, Terms
from conformance.report.results import Report
from conformance.runner.engine import AnyTarget, Engine
from conformance.scenario import MASTER


def run(
    target: AnyTarget,
    requirements: Iterable[str] | None = None,
    *,
    seed: int = 0,
    settings: Mapping[str, float] | None = None,
    entries: Iterable[Entry] | None = None,
    side: str = MASTER,
    book: Catalogue | None = None,
    limits: Limits | None = None,
    baseline: Baseline | None = None,
    declared: Declared | None = None,
) -> Report:
    """Runs the cases of some requirements; only the scenarios they read are played.

    Args:
        target: the master, or the kind of node agent, under test.
        requirements: ids; None runs all cases.
        seed: of all random choices.
        settings: timing settings, by field of `Timing`, that override what the target declares.
        entries: the cases to choose from; None takes all that ship with the suite.
        side: `master` or `node`.
        book: the catalogue; None reads the one that ships with the suite.
        limits: what to leave out.
        baseline: failures that are accepted.
        declared: what is known of the target, as a target file tells it.

    Raises:
        TargetError: the target cannot be tested.
    """
    wanted = None if requirements is None else set(requirements)
    chosen = [
        entry
        for entry in (collect() if entries is None else entries)
        if entry.case.scenario.side == side and (wanted is None or wanted.intersection(entry.case.ids))
    ]
    terms = Terms(
        seed=seed,
        given=settings or {},
        limits=limits or Limits(),
        baseline=baseline or Baseline(),
        declared=declared or Declared(),
    )
    engine = Engine(side, target, book or catalogue.load(), terms)
    try:
        engine.start(chosen)
        for entry in chosen:
            engine.result(entry)
    finally:
        engine.close()
    return engine.report()
