"""What a fault is, and how it is tried: one replaced function of the reference, and the requirements it must break."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from types import ModuleType
from typing import Any
from unittest.mock import patch

import attrs

from conformance import catalogue
from conformance.catalogue import Catalogue
from conformance.collect import Entry, collect
from conformance.report.results import Report, Result
from conformance.runner.run import run
from conformance.scenario import MASTER, NODE
from conformance.verdict import Verdict
from fixtures.reference import ReferenceTarget
from fixtures.reference_agent import ReferenceAgentTarget
from tests.faults import master, node

SEED = 1
_CAUGHT = (Verdict.FAIL, Verdict.WARNING)


@attrs.frozen
class Fault:
    """One way of being wrong.

    Attributes:
        name: what is wrong, in a few words; also the name of the test.
        ids: requirements of which at least one case must not pass under it.
        patch: makes the reference wrong while its context is open.
        number: its place in the list of faults that the requirement pages began with, if it stands there.
        warns: of the ids, MUST requirements of which it breaks only a weaker part, so that a warning is enough.
        settings: timing settings of the target that it needs, by field of `Timing`.
    """

    name: str
    ids: tuple[str, ...]
    patch: Callable[[], AbstractContextManager[Any]]
    number: int | None = None
    warns: tuple[str, ...] = ()
    settings: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        return self.name


def replaced(owner: Any, attribute: str, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    """A patch that puts something else in the place of one function or method of the reference."""
    return partial(patch.object, owner, attribute, by)


def slip(owner: Any, attribute: str, written: str, meant: str) -> Callable[[], AbstractContextManager[Any]]:
    """A patch that changes one expression of a function or method: the slip of a pen.

    Args:
        owner: module or class.
        attribute: the function's name.
        written: what stands in the function, exactly once.
        meant: what stands there instead.
    """
    function = inspect.unwrap(getattr(owner, attribute))
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(written) != 1:
        raise ValueError(f"{attribute}: {written!r} stands there {source.count(written)} times")
    rules = annotations.compiler_flag
    code = compile(source.replace(written, meant), inspect.getfile(function), "exec", rules, dont_inherit=True)
    found: dict[str, Any] = {}
    exec(code, function.__globals__, found)
    return replaced(owner, attribute, found[attribute])


def together(*patches: Callable[[], AbstractContextManager[Any]]) -> Callable[[], AbstractContextManager[Any]]:
    """Several patches as one, for what no single function decides."""

    @contextmanager
    def opened() -> Iterator[None]:
        with ExitStack() as stack:
            for each in patches:
                stack.enter_context(each())
            yield

    return opened


@cache
def subjects() -> tuple[ModuleType, ...]:
    """The modules that hold faults: those of masters, then those of nodes."""
    return tuple(
        importlib.import_module(f"{side.__name__}.{name}")
        for side in (master, node)
        for name in sorted(info.name for info in pkgutil.iter_modules(side.__path__))
    )


def all_faults() -> list[Fault]:
    """All faults, by module and in the order in which they stand there."""
    return [fault for module in subjects() for fault in module.FAULTS]


@cache
def book() -> Catalogue:
    """The catalogue that ships with the suite."""
    return catalogue.load()


@cache
def cases() -> tuple[Entry, ...]:
    """The cases that ship with the suite."""
    return tuple(collect())


def verdicts(ids: Iterable[str], settings: Iterable[tuple[str, float]] = ()) -> list[Result]:
    """Runs the cases of some requirements on the reference as it is now, in virtual time."""
    wanted = tuple(ids)
    results: list[Result] = []
    for side in (MASTER, NODE):
        own = [name for name in wanted if name.startswith("M-" if side == MASTER else "N-")]
        if own:
            results += _run(side, own, dict(settings)).results
    return results


def _run(side: str, ids: list[str], settings: dict[str, float]) -> Report:
    target = ReferenceTarget(settings) if side == MASTER else ReferenceAgentTarget(settings)
    return run(target, ids, seed=SEED, side=side, entries=cases(), book=book())


def survived(fault: Fault) -> list[str]:
    """The requirements that the fault should have broken and did not, each with what its cases said instead."""
    _forget()
    try:
        with fault.patch():
            results = verdicts(fault.ids, fault.settings)
    finally:
        _forget()
    return [f"{name}: {_said(name, results)}" for name in fault.ids if not _is_caught(fault, name, results)]


def _forget() -> None:
    """Clears what the API server remembers of its readings: it would outlive the function that made them."""
    for name, module in list(sys.modules.items()):
        if name.startswith("refimpl.apiserver."):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _is_caught(fault: Fault, name: str, results: Iterable[Result]) -> bool:
    strong = book()[name].level == "MUST" and name not in fault.warns
    enough = (Verdict.FAIL,) if strong else _CAUGHT
    return any(result.verdict in enough for result in results if name in result.ids)


def _said(name: str, results: Iterable[Result]) -> str:
    lines = [
        f"{result.case.rpartition('::')[2]} {result.verdict.value}"
        + "".join(f" (want {finding.want}; got {finding.got})" for finding in result.judgement.findings)
        for result in results
        if name in result.ids
    ]
    return "; ".join(lines) or "no case judges it"
