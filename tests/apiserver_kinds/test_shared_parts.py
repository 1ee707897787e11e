"""Parts that many kinds share: ages, selectors, numbers, addresses, internal structures."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.apiserver.kinds import addresses, internal, numbers, printing
from refimpl.apiserver.kinds.podspec import images
from refimpl.apiserver.kinds.quantities import is_extended, is_integer

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (299, "4m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (7.5 * 3600, "7h30m"),
        (47 * 3600, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 3600, "2d1h"),
        (8 * DAY, "8d"),
        (729 * DAY, "729d"),
        (2 * 365 * DAY, "2y"),
        (800 * DAY, "2y70d"),
        (8 * 365 * DAY, "8y"),
        (9 * 365 * DAY + 30 * DAY, "9y"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert printing.human_duration(seconds) == text


@given(st.floats(0, 20 * 365 * DAY))
def test_a_printed_duration_is_short(seconds: float) -> None:
    assert len(printing.human_duration(seconds)) <= 6


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, "<none>"),
        ({}, "<none>"),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "k", "operator": "In", "values": ["b", "a"]}]}, "k in (a,b)"),
        ({"matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]}, "!k"),
    ],
)
def test_selectors_print_as_the_list_api_takes_them(selector: dict[str, object] | None, text: str) -> None:
    assert printing.format_selector(selector) == text


@pytest.mark.parametrize(
    ("name", "good"), [("http", True), ("a" * 16, False), ("80", False), ("a--b", False), ("-a", False), ("A", False)]
)
def test_names_of_ports(name: str, good: bool) -> None:
    assert (not list(numbers.port_name_problems(name))) is good


@given(st.ip_addresses())
def test_every_address_in_its_shortest_form_is_good(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return
    assert not list(addresses.ip_causes(str(address), "ip"))


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3", "1.2.3.4.5", "300.1.1.1", "010.0.0.1", "::ffff:1.2.3.4", "fe80::1%eth0", "FD00::1"]
)
def test_other_texts_are_no_canonical_address(text: str) -> None:
    assert list(addresses.ip_causes(text, "ip"))


def test_old_fields_take_any_writing_of_an_address() -> None:
    assert not list(addresses.ip_causes("FD00::1", "ip", canonical=False))


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_range_has_no_host_bits(address: ipaddress.IPv4Address, length: int) -> None:
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    assert not list(addresses.cidr_causes(str(network), "cidr"))
    wrong = list(addresses.cidr_causes(f"{address}/{length}", "cidr"))
    assert bool(wrong) is (network.network_address != address)


def test_extended_resources_are_countable() -> None:
    assert is_extended("example.com/gpu")
    assert is_integer("pods")
    assert not is_extended("alpha.kubernetes.io/nvidia-gpu")
    assert not is_integer("cpu")


@pytest.mark.parametrize(
    ("reference", "tag"), [("a/b/c", "latest"), ("a:5000/b:x@sha256:" + "0" * 64, "x"), ("B", ""), ("a:b:c", "")]
)
def test_tags_of_images(reference: str, tag: str) -> None:
    assert images.tag(reference) == tag


def test_internal_structures_show_every_field() -> None:
    assert internal.shown("Toleration", {"key": "k"}) == {
        "Key": "k",
        "Operator": "",
        "Value": "",
        "Effect": "",
        "TolerationSeconds": None,
    }


def test_a_difference_is_a_unified_diff_with_three_lines_around_it() -> None:
    before = {"containers": [{"name": "c", "image": "i", "resources": {}}], "restartPolicy": "Always"}
    text = internal.difference("PodSpec", before, {**before, "restartPolicy": "Never"})
    assert text.startswith("@@ -35,7 +35,7 @@\n   }\n  ],\n")
    assert '- "RestartPolicy": "Always",\n+ "RestartPolicy": "Never",\n' in text
    assert internal.difference("PodSpec", before, before) == ""
