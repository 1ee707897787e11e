"""The catalogue is data, and every entry of it is sound."""

import pytest

from conformance import catalogue
from conformance.catalogue import CatalogueError
from conformance.collect import Entry, check, collect
from conformance.drive.scenarios.master.silence import silence
from conformance.scenario import Case

ENTRY = """
[[requirement]]
id = "M-NR-01"
level = "MUST"
text = "A sentence."
source = ["kube-controller-manager 1.36"]
since = "1.5"
"""


def test_the_catalogue_that_ships_is_sound_and_covered():
    check(catalogue.load(), collect())


def test_no_requirement_with_a_case_still_says_it_is_planned():
    book = catalogue.load()
    judged = {requirement for entry in collect() for requirement in entry.case.ids}
    assert [i for i in sorted(judged) if book[i].planned or book[i].untestable] == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('"M-NR-01"', '"nr1"'), "not of the form"),
        (('"MUST"', '"OUGHT"'), "OUGHT"),
        (('text = "A sentence."\n', ""), "no text"),
        (('source = ["kube-controller-manager 1.36"]', 'source = "x"'), "not a list"),
        (('"1.5"', '"ever"'), "not a Kubernetes version"),
        (("level", "color = 1\nlevel"), "color"),
    ],
)
def test_a_defect_is_named_with_file_and_id(change: tuple[str, str], complaint: str):
    with pytest.raises(CatalogueError, match=complaint):
        catalogue.parse({"group": ENTRY.replace(*change)})


def test_an_id_stands_in_one_place_only():
    with pytest.raises(CatalogueError, match="also stands in a"):
        catalogue.parse({"a": ENTRY, "b": ENTRY})


def test_a_case_may_only_name_known_requirements():
    book = catalogue.parse({"group": ENTRY})
    entry = Entry("x::y", lambda seen: None, Case(("M-NR-01", "M-NO-99"), silence))
    with pytest.raises(CatalogueError, match="M-NO-99"):
        check(book, [entry])


def test_a_requirement_without_case_needs_a_reason():
    with pytest.raises(CatalogueError, match="M-NR-01 has no case"):
        check(catalogue.parse({"group": ENTRY}), [])
    check(catalogue.parse({"group": ENTRY + 'planned = "not yet"'}), [])
    check(catalogue.parse({"group": ENTRY + 'untestable = "no way"'}), [])


@pytest.mark.parametrize(("minor", "binds"), [(12, False), (13, True), (20, True), (21, False)])
def test_a_requirement_binds_the_versions_it_says(minor: int, binds: bool):
    text = ENTRY.replace('since = "1.5"', 'since = "1.13"\nuntil = "1.20"')
    assert catalogue.parse({"group": text})["M-NR-01"].holds_for(minor) is binds
