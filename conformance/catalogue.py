"""The catalogue: requirements are data, one TOML file a group under `requirements/`."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import attrs

LEVELS = ("MUST", "SHOULD", "MAY", "DEFAULT")
_ID = re.compile(r"^[MN]-[A-Z]+-\d{2,}[a-z]?$")
_VERSION = re.compile(r"^1\.\d+$")
_KNOWN = {
    *("id", "level", "text", "source", "since", "until", "versions"),
    *("profile", "observe", "induce", "untestable", "planned"),
}


class CatalogueError(Exception):
    """The catalogue, or a case's use of it, is wrong; the text lists every defect."""


@attrs.frozen
class Requirement:
    """One sentence of the contract.

    Attributes:
        id: stable identifier, e.g. `M-NR-03`; never reused.
        level: `MUST`, `SHOULD`, `MAY`, or `DEFAULT` for a value that is only a default.
        text: the sentence, in the project's own words.
        source: where it is documented, each with a version.
        since: first Kubernetes version it holds for, e.g. `1.20`.
        until: last version it holds for; None while it still does.
        profile: the part of Kubernetes a target must claim for it to bind, e.g. `core`, `scheduler`.
        versions: remarks on versions that `since` and `until` cannot say; empty if none.
        observe: how it shows from outside.
        induce: how a node agent is brought into the situation; empty for the master's side.
        untestable: why no black-box case can exist; None if one can.
        planned: why there is no case yet; None once there is one.
        group: the file it stands in, e.g. `master-transition`.
    """

    id: str
    level: str
    text: str
    source: tuple[str, ...]
    since: str
    until: str | None
    versions: str
    profile: str
    observe: str
    induce: str
    untestable: str | None
    planned: str | None
    group: str

    def holds_for(self, minor: int) -> bool:
        """Whether it binds a Kubernetes 1.`minor`."""
        return _minor(self.since) <= minor and (self.until is None or minor <= _minor(self.until))


@attrs.frozen
class Catalogue:
    """All requirements by id, in the order of the files.

    Attributes:
        requirements: by id.
        titles: of the groups, by name.
    """

    requirements: Mapping[str, Requirement]
    titles: Mapping[str, str] = attrs.field(factory=dict)

    def __getitem__(self, requirement_id: str) -> Requirement:
        return self.requirements[requirement_id]

    def __contains__(self, requirement_id: object) -> bool:
        return requirement_id in self.requirements

    def uncovered(self, judged: Iterable[str]) -> list[Requirement]:
        """Requirements that no case judges and that state no reason for it."""
        known = set(judged)
        return [r for r in self.requirements.values() if r.id not in known and not r.untestable and not r.planned]


@functools.cache
def load() -> Catalogue:
    """Reads the catalogue that ships with the suite; once, for it never changes.

    Raises:
        CatalogueError: an entry is malformed or an id occurs twice.
    """
    folder = files("conformance") / "requirements"
    texts = {
        entry.name.removesuffix(".toml"): entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }
    return parse(texts)


def parse(texts: Mapping[str, str]) -> Catalogue:
    """Builds a catalogue from TOML texts by group name.

    Raises:
        CatalogueError: an entry is malformed or an id occurs twice.
    """
    found: dict[str, Requirement] = {}
    titles: dict[str, str] = {}
    defects: list[str] = []
    for group, text in texts.items():
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            defects.append(f"{group}.toml: {error}")
            continue
        titles[group] = document.get("title", group)
        for entry in document.get("requirement", []):
            wrong = _defects(entry)
            name = f"{group}.toml: {entry.get('id', 'entry without id')}"
            if not wrong and entry["id"] in found:
                wrong = [f"also stands in {found[entry['id']].group}.toml"]
            if wrong:
                defects += [f"{name}: {defect}" for defect in wrong]
            else:
                found[entry["id"]] = _requirement(entry, group)
    if defects:
        raise CatalogueError("\n".join(defects))
    return Catalogue(found, titles)


def _requirement(entry: Mapping[str, Any], group: str) -> Requirement:
    return Requirement(
        id=entry["id"],
        level=entry["level"],
        text=entry["text"],
        source=tuple(entry["source"]),
        since=entry["since"],
        until=entry.get("until"),
        versions=entry.get("versions", ""),
        profile=entry.get("profile", "core"),
        observe=entry.get("observe", ""),
        induce=entry.get("induce", ""),
        untestable=entry.get("untestable"),
        planned=entry.get("planned"),
        group=group,
    )


def _defects(entry: Mapping[str, Any]) -> list[str]:
    defects = [f"unknown field {name!r}" for name in entry if name not in _KNOWN]
    defects += [f"no {name}" for name in ("id", "level", "text", "source", "since") if not entry.get(name)]
    if defects:
        return defects
    if not _ID.match(entry["id"]):
        defects.append("the id is not of the form M-GROUP-01")
    if entry["level"] not in LEVELS:
        defects.append(f"level {entry['level']!r} is none of {', '.join(LEVELS)}")
    if not isinstance(entry["source"], list):
        defects.append("source is not a list")
    for name in ("since", "until"):
        if name in entry and not _VERSION.match(str(entry[name])):
            defects.append(f"{name} {entry[name]!r} is not a Kubernetes version such as 1.20")
    if entry.get("untestable") and entry.get("planned"):
        defects.append("untestable and planned at once")
    return defects


def _minor(version: str) -> int:
    return int(version.split(".")[1])
