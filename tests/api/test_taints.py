"""Which toleration tolerates which taint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.taints import NO_EXECUTE, first_tolerating, tolerates, untolerated

TAINT = {"key": "example.com/x", "value": "1", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"key": "example.com/x", "operator": "Exists", "effect": "NoExecute"}, True),
        ({"key": "example.com/x", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": "example.com/y", "operator": "Exists"}, False),
        ({"key": "example.com/x", "operator": "Equal", "value": "1"}, True),
        ({"key": "example.com/x", "value": "1"}, True),
        ({"key": "example.com/x", "value": "2"}, False),
        ({"key": "example.com/x"}, False),
        ({"key": "example.com/x", "operator": "Gt", "value": "0"}, False),
    ],
)
def test_key_effect_and_operator_decide(toleration, expected):
    assert tolerates(toleration, TAINT) is expected


def test_an_absent_value_equals_an_empty_one():
    assert tolerates({"key": "k"}, {"key": "k", "value": "", "effect": "NoSchedule"})


def test_the_first_matching_toleration_in_spec_order_is_used():
    first = {"key": "example.com/x", "operator": "Exists", "tolerationSeconds": 7}
    second = {"operator": "Exists"}
    assert first_tolerating([{"key": "other"}, first, second], TAINT) is first


def test_prefer_no_schedule_is_never_in_the_way():
    assert untolerated([{"key": "k", "effect": "PreferNoSchedule"}], []) is None


taints = st.fixed_dictionaries(
    {"key": st.sampled_from("ab"), "effect": st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])},
    optional={"value": st.sampled_from(["", "v"])},
)


@given(st.lists(taints))
def test_exists_without_key_and_effect_tolerates_everything(some):
    assert untolerated(some, [{"operator": "Exists"}]) is None


@given(st.lists(taints))
def test_without_tolerations_the_first_hard_taint_is_reported(some):
    hard = [taint for taint in some if taint["effect"] == NO_EXECUTE]
    assert untolerated(some, [], [NO_EXECUTE]) == (hard[0] if hard else None)
