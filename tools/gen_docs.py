"""Writes docs/requirements/*.md and docs/coverage.md from the catalogue, the cases and the faults.

docs/differences.md is written from the list of recordings that the reference does not answer as recorded.

python tools/gen_docs.py            writes them
python tools/gen_docs.py --check    says which of them are out of date, and ends with 1 when one is
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from conformance import catalogue  # noqa: E402 - the repository need not be installed
from conformance.catalogue import Catalogue, Requirement  # noqa: E402
from conformance.collect import Entry, collect  # noqa: E402
from conformance.features import needed  # noqa: E402
from tests.faults.harness import Fault, all_faults  # noqa: E402
from tests.replay import sessions, transcript  # noqa: E402
from tests.replay.sessions import Difference  # noqa: E402

PAGES = "docs/requirements"
COVERAGE = "docs/coverage.md"
DIFFERENCES = "docs/differences.md"
NOTE = "<!-- Written by tools/gen_docs.py; change the catalogue, the cases or the faults instead. -->"
SIDES = {"master": "Requirements on a master", "node": "Requirements on a node agent"}


@attrs.frozen
class Covered:
    """What there is on one requirement.

    Attributes:
        requirement: itself.
        cases: that judge it.
        faults: that break it.
    """

    requirement: Requirement
    cases: tuple[Entry, ...]
    faults: tuple[Fault, ...]

    @property
    def without_case(self) -> str:
        """Why no case judges it; empty when one does."""
        found = self.requirement
        if self.cases:
            return ""
        return f"no case is possible: {found.untestable}" if found.untestable else f"not yet: {found.planned}"


def covered(book: Catalogue, entries: Iterable[Entry], faults: Iterable[Fault]) -> dict[str, list[Covered]]:
    """What there is on every requirement, by group."""
    cases, breaks = list(entries), list(faults)
    found: dict[str, list[Covered]] = {}
    for each in book.requirements.values():
        own = tuple(entry for entry in cases if each.id in entry.case.ids)
        wrong = tuple(fault for fault in breaks if each.id in fault.ids)
        found.setdefault(each.group, []).append(Covered(each, own, wrong))
    return found


def documents(book: Catalogue, entries: Sequence[Entry], faults: Sequence[Fault]) -> dict[str, str]:
    """All pages by path."""
    groups = covered(book, entries, faults)
    pages = {f"{PAGES}/{group}.md": page(book.titles[group], group, rows) for group, rows in groups.items()}
    pages[f"{PAGES}/README.md"] = index(book, groups)
    pages[COVERAGE] = coverage(book, groups, entries, faults)
    pages[DIFFERENCES] = differences()
    return pages


def differences() -> str:
    """The page about recordings that the reference does not answer as recorded."""
    known, names = transcript.differences(), transcript.case_names()
    listed, runs = (
        sessions.known_differences(),
        [name for name in sessions.session_names() if name.startswith("kubectl/")],
    )
    lines = [
        NOTE.replace("the catalogue, the cases or the faults", "fixtures/recordings/differences.toml"),
        "",
        "# Where the reference is known to differ",
        "",
        (
            f"Of {len(names)} recorded request sequences of kube-apiserver 1.36 the reference answers all but "
            f"{len(known)} as recorded:"
        ),
        "",
        "| recording | why it differs |",
        "|---|---|",
        *(f"| {name} | {reason} |" for name, reason in known.items()),
        "",
        f"Of {len(runs)} recorded kubectl sessions these end otherwise, with every kubectl or with old ones:",
        "",
        "| session | with kubectl | why it differs |",
        "|---|---|---|",
        *(f"| {name} | {versions(each)} | {each.reason} |" for name, each in listed.items()),
        "",
    ]
    return "\n".join(lines)


def versions(known: Difference) -> str:
    """Of which kubectl a difference is true."""
    first = f"from 1.{known.since} on" if known.since else ""
    last = f"before 1.{known.before}" if known.before != sys.maxsize else ""
    return ", ".join(filter(None, (first, last))) or "any"


# One page a group


def page(title: str, group: str, rows: Sequence[Covered]) -> str:
    """The page of a group."""
    side = "master" if group.startswith("master-") else "node agent"
    lines = [NOTE, "", f"# {title}", "", f"What a {side} must keep: {len(rows)} requirements.", ""]
    lines += [f"* [{row.requirement.id}](#{row.requirement.id.lower()}) {_first(row.requirement.text)}" for row in rows]
    for row in rows:
        lines += ["", *_section(row)]
    return "\n".join([*lines, ""])


def _section(row: Covered) -> Iterator[str]:
    found = row.requirement
    yield f"## {found.id}"
    yield ""
    yield f"**{found.level}.** {_plain(found.text)}"
    yield ""
    facts: Mapping[str, str] = {
        "Observed": _plain(found.observe),
        "Brought about": _plain(found.induce),
        "Binds": _binds(found),
        "Remarks": _plain(found.versions),
        "Source": "; ".join(_source(source) for source in found.source),
    }
    yield from (f"* {name}: {fact}" for name, fact in facts.items() if fact)
    if row.without_case:
        yield f"* Cases: none; {_plain(row.without_case)}"
    for entry in row.cases:
        yield f"* Case: {_link(entry)} (scenario `{entry.case.scenario.name}`)"
    if row.faults:
        yield f"* Caught when wrong: {'; '.join(_plain(fault.name) for fault in row.faults)}"


def _binds(found: Requirement) -> str:
    era = f"Kubernetes {found.since} and later" if found.until is None else f"Kubernetes {found.since} to {found.until}"
    features = ", ".join(f"`{feature.name}`" for feature in needed([found]))
    return f"{era}, profile `{found.profile}`" + (f", where the target has {features}" if features else "")


def _link(entry: Entry) -> str:
    path, _, name = entry.nodeid.partition("::")
    return f"[`{name}`](../../{path})"


def _source(text: str) -> str:
    return f"<{text}>" if text.startswith("http") and " " not in text else _plain(text)


# What all groups have in common


def index(book: Catalogue, groups: Mapping[str, Sequence[Covered]]) -> str:
    """The page that leads to all others."""
    lines = [NOTE, "", "# Requirements"]
    for side, heading in SIDES.items():
        lines += ["", f"## {heading}", "", "| group | requirements | cases | faults |", "|---|---|---|---|"]
        for group, rows in groups.items():
            if group.startswith(f"{side}-"):
                cases = len({entry.nodeid for row in rows for entry in row.cases})
                faults = len({fault.name for row in rows for fault in row.faults})
                lines.append(f"| [{book.titles[group]}]({group}.md) | {len(rows)} | {cases} | {faults} |")
    return "\n".join([*lines, "", "[Requirement by case by fault](../coverage.md)", ""])


def coverage(
    book: Catalogue,
    groups: Mapping[str, Sequence[Covered]],
    entries: Sequence[Entry],
    faults: Sequence[Fault],
) -> str:
    """The table of requirement, case and fault; a row without a case says why."""
    rows = [row for group in groups.values() for row in group]
    judged = sum(bool(row.cases) for row in rows)
    lines = [
        *(NOTE, "", "# Requirement by case by fault", ""),
        f"{len(rows)} requirements, {judged} of them judged by {len(entries)} cases; {len(faults)} faults, each a",
        "deliberately wrong master or node, of which every one is caught by a case of the requirement it stands at",
        "(`pytest tests/faults`). The others say why no case judges them.",
    ]
    for group, own in groups.items():
        lines += ["", f"## [{book.titles[group]}](requirements/{group}.md)", ""]
        lines += ["| requirement | cases | faults that are caught |", "|---|---|---|"]
        lines += [_row(row) for row in own]
    return "\n".join([*lines, ""])


def _row(row: Covered) -> str:
    found = row.requirement
    name = f"[{found.id}](requirements/{found.group}.md#{found.id.lower()}) {found.level}"
    cases = "<br>".join(f"`{entry.nodeid.partition('::')[2]}`" for entry in row.cases) or _cell(row.without_case)
    faults = "<br>".join(_cell(fault.name) for fault in row.faults) or ("none" if row.cases else "")
    return f"| {name} | {cases} | {faults} |"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _first(text: str) -> str:
    """The beginning of a sentence, for a list."""
    return _plain(text if len(text) <= 100 else text[:100].rsplit(" ", 1)[0] + " …")


def _plain(text: str) -> str:
    """Text in which Markdown sees no marks."""
    escaped = text.replace("<", "&lt;")
    for mark in ("*", "_", "`", "["):
        escaped = escaped.replace(mark, f"\\{mark}")
    return " ".join(escaped.split())


def stale(pages: Mapping[str, str], root: Path = ROOT) -> list[str]:
    """Paths of pages that are missing, differ, or should not be there."""
    there = {str(path.relative_to(root)) for path in (root / PAGES).glob("*.md")}
    wrong = [path for path, text in pages.items() if not (root / path).exists() or (root / path).read_text() != text]
    return sorted({*wrong, *(there - pages.keys())})


def write(pages: Mapping[str, str], root: Path = ROOT) -> None:
    """Writes all pages, and removes those of groups that are gone."""
    for path in stale(pages, root):
        if path in pages:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(pages[path], "utf-8")
        else:
            (root / path).unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    pages = documents(catalogue.load(), collect(), all_faults())
    wrong = stale(pages)
    if not options.check:
        write(pages)
    for path in wrong:
        print(f"{path} is out of date; run: python tools/gen_docs.py" if options.check else f"{path} written")
    return 1 if wrong and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
