"""Finds the cases that ship with the suite."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence

import attrs

from conformance.catalogue import Catalogue, CatalogueError
from conformance.scenario import Case, Judge, case_of

PACKAGES = ("conformance.master", "conformance.node")


@attrs.frozen
class Entry:
    """One case, ready to be run.

    Attributes:
        nodeid: how pytest calls it, e.g. `conformance/master/test_transition.py::test_ready_turns_unknown`.
        function: the judge.
        case: what it declares.
    """

    nodeid: str
    function: Judge
    case: Case


def collect(packages: Sequence[str] = PACKAGES) -> list[Entry]:
    """All cases, by module and in the order in which they stand there."""
    entries: list[Entry] = []
    for package in packages:
        folder = importlib.import_module(package)
        names = sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if info.name.startswith("test_"))
        for name in names:
            module = importlib.import_module(f"{package}.{name}")
            path = f"{package.replace('.', '/')}/{name}.py"
            for attribute, value in vars(module).items():
                case = case_of(value)
                if case is not None and attribute.startswith("test_"):
                    entries.append(Entry(f"{path}::{attribute}", value, case))
    return entries


def check(book: Catalogue, entries: Iterable[Entry]) -> None:
    """Holds the cases against the catalogue.

    Raises:
        CatalogueError: a case names an unknown requirement, or a requirement has neither case nor reason.
    """
    entries = list(entries)
    defects = [
        f"{entry.nodeid} judges {requirement}, which is in no catalogue file"
        for entry in entries
        for requirement in entry.case.ids
        if requirement not in book
    ]
    judged = {requirement for entry in entries for requirement in entry.case.ids}
    defects += [
        f"{requirement.group}.toml: {requirement.id} has no case, and no reason why it has none"
        for requirement in book.uncovered(judged)
    ]
    if defects:
        raise CatalogueError("\n".join(defects))
