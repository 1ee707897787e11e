from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import names

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize("name", ["n1", "127.0.0.1", "a-b.c", "a" * 253])
def test_good_node_names_have_nothing_wrong(name):
    assert names.dns1123_subdomain(name) == ()


@pytest.mark.parametrize("name", ["Node1", "n_1", "-n1", "n1.", "n/1", "n 1", "", "n1\n"])
def test_bad_node_names_are_answered_with_the_rule(name):
    assert names.dns1123_subdomain(name) == (SUBDOMAIN_RULE,)


def test_a_long_name_is_too_long_but_may_be_right_otherwise():
    assert names.dns1123_subdomain("a" * 254) == ("must be no more than 253 characters",)
    assert names.dns1123_label("a" * 64) == ("must be no more than 63 characters",)
    assert names.label_value("a" * 64) == ("must be no more than 63 bytes",)


def test_a_label_has_no_dots():
    assert names.dns1123_label("kube-system") == ()
    assert len(names.dns1123_label("kube.system")) == 1


def test_a_dns_1035_label_starts_with_a_letter():
    assert names.dns1035_label("web1") == ()
    assert len(names.dns1035_label("1web")) == 1


@pytest.mark.parametrize("key", ["app", "kubernetes.io/hostname", "A_b.C", "nvidia.com/gpu"])
def test_good_keys_have_nothing_wrong(key):
    assert names.qualified_name(key) == ()


def test_each_part_of_a_key_is_judged():
    assert names.qualified_name("a~/b") == (f"prefix part {SUBDOMAIN_RULE}",)
    assert names.qualified_name("") == ("name part must be non-empty", f"name part {QUALIFIED_RULE}")
    assert names.qualified_name("/x") == ("prefix part must be non-empty",)
    assert names.qualified_name("a b") == (f"name part {QUALIFIED_RULE}",)
    assert names.qualified_name("x" * 64) == ("name part must be no more than 63 bytes",)
    assert names.qualified_name("a/b/c")[0].startswith("a qualified name must consist of")


def test_label_values_may_be_empty_but_not_end_in_punctuation():
    assert names.label_value("") == ()
    assert names.label_value("v1.5.2") == ()
    assert len(names.label_value("x-")) == 1


def test_a_generate_name_may_end_in_a_dash():
    assert names.dns1123_subdomain(names.of_prefix("web-")) == ()
    assert names.dns1123_subdomain(names.of_prefix("web_")) != ()


@given(st.from_regex(names._SUBDOMAIN_RE, fullmatch=True))
def test_what_the_rule_generates_the_rule_accepts(name):
    assert names.dns1123_subdomain(name) in ((), ("must be no more than 253 characters",))
