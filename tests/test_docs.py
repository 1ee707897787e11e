"""The generated pages are fresh, whole, and lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance import catalogue
from conformance.collect import collect
from tests.faults.harness import all_faults
from tools import gen_docs

ROOT = Path(__file__).parents[1]
PAGES = gen_docs.documents(catalogue.load(), collect(), all_faults())


def test_the_generated_pages_are_fresh():
    assert gen_docs.stale(PAGES) == [], "run: python tools/gen_docs.py"


def test_every_group_has_a_page_and_every_requirement_a_section():
    for requirement in catalogue.load().requirements.values():
        page = PAGES[f"docs/requirements/{requirement.group}.md"]
        assert f"\n## {requirement.id}\n" in page


def test_every_row_has_a_case_and_a_fault_or_says_why():
    rows = [line for line in PAGES[gen_docs.COVERAGE].splitlines() if line.startswith("| [")]
    assert len(rows) == len(catalogue.load().requirements)
    for row in rows:
        _, name, cases, faults, _ = re.split(r"(?<!\\)\|", row)
        assert cases.strip(), f"{name}: neither case nor reason"
        assert faults.strip() != "none", f"{name}: cases, but no fault they catch"


def test_pages_of_groups_that_are_gone_are_removed(tmp_path: Path):
    gen_docs.write(PAGES, tmp_path)
    (tmp_path / "docs/requirements/master-magic.md").write_text("old")
    (tmp_path / gen_docs.COVERAGE).write_text("old")
    assert gen_docs.stale(PAGES, tmp_path) == ["docs/coverage.md", "docs/requirements/master-magic.md"]
    gen_docs.write(PAGES, tmp_path)
    assert gen_docs.stale(PAGES, tmp_path) == []


@pytest.mark.parametrize("path", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))
def test_links_lead_somewhere(path: str):
    text = re.sub(r"```.*?```", "", (ROOT / path).read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        found = (ROOT / path).parent / file if file else ROOT / path
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text("utf-8"), flags=re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-")
