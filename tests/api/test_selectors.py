from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import fieldselectors, nodeselectors, selectors
from refimpl.api.fieldselectors import FieldTerm
from refimpl.api.selectors import EVERYTHING, NOTHING

SELECTIONS = [
    ("", {}, True),
    ("app=web", {"app": "web"}, True),
    ("app == web", {"app": "db"}, False),
    ("app!=web", {}, True),
    ("app!=web", {"app": "web"}, False),
    ("app in (a, b)", {"app": "b"}, True),
    ("app in (a,b)", {}, False),
    ("app notin (a,b)", {}, True),
    ("app notin (a,b)", {"app": "a"}, False),
    ("app in ()", {"app": ""}, True),
    ("app in (a,)", {"app": ""}, True),
    ("app", {"app": ""}, True),
    ("!app", {"app": ""}, False),
    ("!app,x=y", {"x": "y"}, True),
    ("app=", {"app": ""}, True),
    ("in in (in,notin)", {"in": "notin"}, True),
    ("n>4", {"n": "5"}, True),
    ("n>4", {"n": "4"}, False),
    ("n < 5", {"n": "1"}, True),
    ("n>0,n<10", {"n": "10"}, False),
    ("n>4", {"n": "x"}, False),
    ("n>4", {}, False),
    ("kubernetes.io/hostname=n1", {"kubernetes.io/hostname": "n1"}, True),
]


@pytest.mark.parametrize(("text", "labels", "selected"), SELECTIONS)
def test_a_label_selector_selects(text, labels, selected):
    assert selectors.parse(text).matches(labels) is selected


UNPARSED = "unable to parse requirement:"
REFUSALS = [
    ("n>x", f"{UNPARSED} values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
    ("=x", "found '=', expected: !, identifier, or 'end of string'"),
    ("a,", "found '', expected: identifier after ','"),
    ("a=b c", "found 'c', expected: ',' or 'end of string'"),
    ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    ("a in b", "unable to parse requirement: found 'b' expected: '('"),
    ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
    ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
    ("a=!b", "unable to parse requirement: found '!', expected: identifier"),
    ("!=b", "found '!=', expected: !, identifier, or 'end of string'"),
    ("!,", "unable to parse requirement: found ',', expected: identifier"),
]


@pytest.mark.parametrize(("text", "why"), REFUSALS)
def test_a_malformed_label_selector_is_refused_in_the_servers_words(text, why):
    with pytest.raises(ValueError, match=r"^.") as refusal:
        selectors.parse(text)
    assert str(refusal.value) == why


def test_keys_and_values_of_a_label_selector_are_judged():
    with pytest.raises(ValueError, match='unable to parse requirement: <nil>: Invalid value: "-x": name part must'):
        selectors.parse("-x=y")
    with pytest.raises(ValueError, match=r'values\[0\]\[app\]: Invalid value: "-": a valid label must'):
        selectors.parse("app=-")


def test_a_selector_prints_as_it_can_be_read():
    text = "a,!b,c=1,d!=2,e in (x,y),f notin (z),g>1,h<2"
    assert str(selectors.parse(text)) == text
    assert str(selectors.from_map({"b": "2", "a": "1"})) == "a=1,b=2"


def test_an_absent_selector_object_selects_nothing_and_an_empty_one_everything():
    assert selectors.from_object(None) is NOTHING
    assert not NOTHING.matches({"a": "b"})
    assert selectors.from_object({}) == EVERYTHING
    assert EVERYTHING.matches(None)


def test_all_parts_of_a_selector_object_must_hold():
    selector = selectors.from_object(
        {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]}
    )
    assert selector.matches({"app": "web"})
    assert not selector.matches({"app": "web", "tier": "db"})
    assert not selector.matches({"tier": "x"})


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ({"key": "a", "operator": "Near"}, '"Near" is not a valid label selector operator'),
        (
            {"key": "a", "operator": "In"},
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            {"key": "a", "operator": "Exists", "values": ["x"]},
            'values: Invalid value: ["x"]: values set must be empty for exists and does not exist',
        ),
    ],
)
def test_a_senseless_selector_object_is_refused(expression, why):
    with pytest.raises(ValueError, match=r"^.") as refusal:
        selectors.from_object({"matchExpressions": [expression]})
    assert str(refusal.value) == why


WORDS = st.from_regex(r"[a-z][a-z0-9]{0,3}", fullmatch=True)


@given(st.dictionaries(WORDS, WORDS, max_size=3), st.dictionaries(WORDS, WORDS, max_size=3))
def test_a_printed_selector_selects_the_same(wanted, labels):
    selector = selectors.from_map(wanted)
    assert selectors.parse(str(selector)).matches(labels) is selector.matches(labels)


@given(st.dictionaries(WORDS, WORDS, max_size=2), st.lists(st.dictionaries(WORDS, WORDS, max_size=2)))
def test_a_matcher_answers_of_many_objects_as_of_each(wanted, many):
    selector = selectors.from_map(wanted)
    matches = selector.matcher()
    assert [matches(labels) for labels in [*many, *many, wanted]] == [
        selector.matches(labels) for labels in [*many, *many, wanted]
    ]


@given(WORDS, st.lists(WORDS, min_size=1), st.dictionaries(WORDS, WORDS))
def test_in_and_notin_are_opposites(key, values, labels):
    inside = selectors.from_object({"matchExpressions": [{"key": key, "operator": "In", "values": values}]})
    outside = selectors.from_object({"matchExpressions": [{"key": key, "operator": "NotIn", "values": values}]})
    assert inside.matches(labels) is not outside.matches(labels)


def test_field_selectors_are_read_term_by_term():
    selector = fieldselectors.parse(r"spec.nodeName=n1,status.phase!=Running,a==b\,c\=d\\,")
    assert selector.terms == (
        FieldTerm("a", "b,c=d\\"),
        FieldTerm("spec.nodeName", "n1"),
        FieldTerm("status.phase", "Running", negated=True),
    )
    assert selector.required("spec.nodeName") == "n1"
    assert selector.required("status.phase") is None


def test_all_terms_of_a_field_selector_must_hold():
    pod = {"spec.nodeName": "n1", "status.phase": "Pending"}
    assert fieldselectors.parse("spec.nodeName=n1,status.phase!=Running").matches(pod.__getitem__)
    assert not fieldselectors.parse("spec.nodeName=").matches(pod.__getitem__)
    assert fieldselectors.parse("").matches(pod.__getitem__)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo", "invalid selector: 'foo'; can't understand 'foo'"),
        ("metadata.name in (a)", "invalid selector: 'metadata.name in (a)'; can't understand 'metadata.name in (a)'"),
        ("a=b,metadata.name>a", "invalid selector: 'a=b,metadata.name>a'; can't understand 'metadata.name>a'"),
        ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_a_malformed_field_selector_is_refused_in_the_servers_words(text, why):
    with pytest.raises(ValueError, match=r"^.") as refusal:
        fieldselectors.parse(text)
    assert str(refusal.value) == why


def node(name="n1", **labels):
    return {"metadata": {"name": name, "labels": labels}}


def pod(*terms, node_selector=None):
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    spec = {"affinity": {"nodeAffinity": required}} if terms else {}
    return {"spec": {**spec, "nodeSelector": node_selector or {}}}


def expression(operator, *values, key="size"):
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("condition", "labels", "matches"),
    [
        (expression("In", "s", "m"), {"size": "m"}, True),
        (expression("In", "s"), {}, False),
        (expression("NotIn", "s"), {}, True),
        (expression("Exists"), {"size": ""}, True),
        (expression("DoesNotExist"), {"size": ""}, False),
        (expression("Gt", "3"), {"size": "4"}, True),
        (expression("Gt", "3"), {"size": "3"}, False),
        (expression("Lt", "3"), {"size": "-2"}, True),
        (expression("Lt", "3"), {"size": "x"}, False),
        (expression("Gt", "x"), {"size": "4"}, False),
        (expression("Gt", "1", "2"), {"size": "4"}, False),
        (expression("Bogus"), {"size": "4"}, False),
    ],
)
def test_a_node_expression_matches_labels(condition, labels, matches):
    assert nodeselectors.expression_matches(condition, labels) is matches


def test_terms_are_alternatives_and_conditions_of_a_term_all_hold():
    affinity = nodeselectors.required_affinity(
        pod(
            {"matchExpressions": [expression("In", "s"), expression("Exists", key="gpu")]},
            {"matchExpressions": [expression("In", "l")]},
        )
    )
    assert affinity.matches(node(size="s", gpu=""))
    assert not affinity.matches(node(size="s"))
    assert affinity.matches(node(size="l"))


def test_the_name_of_a_node_can_be_demanded():
    affinity = nodeselectors.required_affinity(
        pod({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]})
    )
    assert affinity.matches(node("n1"))
    assert not affinity.matches(node("n2"))


def test_an_empty_term_matches_no_node():
    assert not nodeselectors.required_affinity(pod({})).matches(node())
    assert not nodeselectors.node_selector_matches({"nodeSelectorTerms": []}, node())


def test_the_plain_node_selector_and_the_affinity_must_both_hold():
    affinity = nodeselectors.required_affinity(
        pod({"matchExpressions": [expression("Exists")]}, node_selector={"zone": "a"})
    )
    assert affinity.matches(node(size="s", zone="a"))
    assert not affinity.matches(node(size="s", zone="b"))
    assert not affinity.matches(node(zone="a"))
    assert nodeselectors.required_affinity({"spec": {}}).matches(node())
