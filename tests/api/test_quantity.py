from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from refimpl.api import quantity

CANONICAL = [
    ("0", "0"),
    ("1", "1"),
    ("1000m", "1"),
    ("0.5", "500m"),
    ("1.5", "1500m"),
    ("1024Ki", "1Mi"),
    ("1000Ki", "1000Ki"),
    ("1.5Gi", "1536Mi"),
    ("0.5Ki", "512"),
    ("0.1Ki", "102400m"),
    ("0.0001Ki", "102400u"),
    ("1.0001Ki", "1024102400u"),
    ("1000000", "1M"),
    ("1e3", "1e3"),
    ("1e4", "10e3"),
    ("1E", "1E"),
    ("100000n", "100u"),
    ("0.0000000001", "1n"),
    ("-1.5", "-1500m"),
    ("10Ei", "9223372036854775807"),
    ("16419088Ki", "16419088Ki"),
    ("2048Mi", "2Gi"),
    (" 1", "1"),
]


@pytest.mark.parametrize(("written", "shown"), CANONICAL)
def test_the_canonical_form_has_the_largest_suffix_that_leaves_an_integer(written, shown):
    assert quantity.canonical(written) == shown


@pytest.mark.parametrize("text", ["1.500", "+1", "0010", "100.500", "013Ki"])
def test_a_text_the_original_parser_takes_for_canonical_is_kept(text):
    assert quantity.canonical(text) == text


@pytest.mark.parametrize(("number", "shown"), [(4, "4"), (0.5, "500m"), (1024, "1024"), (1e22, "10e21"), (110, "110")])
def test_json_numbers_are_quantities_too(number, shown):
    assert quantity.canonical(number) == shown


@pytest.mark.parametrize("text", ["lots", "", "1 Gi", "1gi", "1KiB", "1.2.3", "1e3e"])
def test_a_text_of_the_wrong_form_is_refused_by_name(text):
    with pytest.raises(quantity.QuantityError) as failure:
        quantity.parse(text)
    assert failure.value.text == text
    assert failure.value.reason == quantity.FORMAT_WRONG


@pytest.mark.parametrize("text", ["1i", "--1", "1mi", "1Kii", "1e", "1-3", "1e999999999"])
def test_an_unknown_suffix_is_refused(text):
    with pytest.raises(quantity.QuantityError) as failure:
        quantity.parse(text)
    assert failure.value.reason == quantity.SUFFIX_WRONG


@pytest.mark.parametrize("value", [True, None, {"x": 1}])
def test_other_json_types_are_no_quantities(value):
    with pytest.raises(quantity.QuantityError):
        quantity.parse(value)


def test_integers_round_away_from_zero():
    assert quantity.value("1.1") == 2
    assert quantity.value("-1.1") == -2
    assert quantity.milli_value("100.1m") == 101
    assert quantity.milli_value("2") == 2000
    assert quantity.value("1Ki") == 1024


def test_a_stored_resource_list_keeps_thousandths_only():
    assert quantity.canonical_milli("1.0001") == "1001m"
    assert quantity.canonical_milli("1n") == "1m"
    assert quantity.canonical_milli("1Gi") == "1Gi"


def test_quantities_compare_by_amount():
    assert quantity.compare("1000m", "1") == 0
    assert quantity.compare("1Gi", "1G") == 1
    assert quantity.compare("1", "1Ki") == -1


def test_sums_are_written_in_the_asked_format():
    assert quantity.to_text(quantity.parse("1Gi") + quantity.parse("512Mi"), "BinarySI") == "1536Mi"
    assert quantity.to_text(quantity.parse("100m") + quantity.parse("1")) == "1100m"
    assert quantity.to_text(0) == "0"
    assert quantity.to_text(-1500, "DecimalExponent") == "-1500"


SUFFIXES = st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "e3", "e-3"])
TEXTS = st.builds(
    lambda whole, fraction, suffix: f"{whole}{fraction}{suffix}",
    st.integers(min_value=-(10**6), max_value=10**6),
    st.sampled_from(["", ".5", ".25", ".001"]),
    SUFFIXES,
)


@given(TEXTS)
@example("62.5Ki")
def test_the_canonical_form_means_the_same_and_is_its_own_canonical_form(text):
    once = quantity.canonical(text)
    twice = quantity.canonical(once)
    # What no power of 1024 divides is written without a suffix, and so read as decimal the next time: as Go does it.
    assert twice == once or text.endswith("i")
    assert quantity.canonical(twice) == twice
    assert quantity.parse(twice) == quantity.parse(once) == quantity.parse(text)


def test_bytes_that_no_binary_suffix_divides_have_none():
    assert quantity.canonical("62.5Ki") == "64000"
    assert quantity.canonical("64000") == "64k"


@given(TEXTS, TEXTS)
def test_comparison_agrees_with_the_amounts(left, right):
    difference = quantity.parse(left) - quantity.parse(right)
    assert quantity.compare(left, right) == (difference > 0) - (difference < 0)


@given(TEXTS)
def test_rounded_integers_are_the_nearest_away_from_zero(text):
    amount = quantity.parse(text)
    excess = abs(Decimal(quantity.value(text))) - abs(amount)
    assert 0 <= excess < 1
