"""IP addresses and ranges in objects.

Source: kube-apiserver 1.36 `apimachinery/pkg/util/validation` (IsValidIP, IsValidCIDR and their forms for old fields).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Literal

from refimpl.api.errors import Cause
from refimpl.apiserver.kinds import causes

Family = Literal["IPv4", "IPv6"]

INVALID_IP: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
INVALID_CIDR: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"

_LINK_LOCAL_MULTICAST: Final = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))
_LEADING_ZERO: Final = re.compile(r"(^|\.)0+(?=\d)")


def family(text: str) -> Family:
    """IP family of an address or range."""
    return "IPv6" if ":" in text else "IPv4"


@lru_cache(maxsize=8192)
def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, or None; leading zeros of IPv4 parts are accepted, as old fields do."""
    plain = _LEADING_ZERO.sub(r"\1", text) if family(text) == "IPv4" else text
    try:
        return ipaddress.ip_address(plain) if "%" not in text else None
    except ValueError:
        return None


def ip_causes(text: str, path: str, *, canonical: bool = True) -> Iterable[Cause]:
    """What is wrong with an address.

    Args:
        text: the address.
        path: of the field.
        canonical: the shortest writing is demanded as well, as newer kinds do.
    """
    address = parse_ip(text)
    if address is None:
        yield causes.invalid(path, text, INVALID_IP)
        return
    if _has_leading_zeros(text):
        yield causes.invalid(path, text, "must not have leading 0s")
    elif isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        yield causes.invalid(path, text, "must not be an IPv4-mapped IPv6 address")
    elif canonical and str(address) != text:
        yield causes.invalid(path, text, f'must be in canonical form ("{address}")')


def special_causes(text: str, path: str) -> Iterable[Cause]:
    """What speaks against an address as one that traffic is sent to; one that is none is not looked at."""
    address = parse_ip(text)
    if address is None:
        return
    if address.is_unspecified:
        yield causes.invalid(path, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        yield causes.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield causes.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if any(address in network for network in _LINK_LOCAL_MULTICAST if network.version == address.version):
        yield causes.invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def family_causes(texts: Sequence[str], path: str, shown: object) -> Iterable[Cause]:
    """The addresses of one thing: at most one of each family.

    Args:
        texts: the addresses.
        path: of their list.
        shown: the list as error texts quote it.
    """
    if len(texts) > len({family(text) for text in texts}):
        yield causes.invalid(path, shown, "may specify no more than one IP for each IP family")
    for index, text in enumerate(texts):
        if text in texts[:index]:
            yield causes.duplicate(f"{path}[{index}]", {"IP": text})


def cidr_causes(text: str, path: str) -> Iterable[Cause]:
    """What is wrong with a range in a field of an old kind."""
    head, slash, length = text.partition("/")
    address = parse_ip(head)
    bits = 32 if family(head) == "IPv4" else 128
    if address is None or not slash or not _is_number(length) or int(length) > bits:
        yield causes.invalid(path, text, INVALID_CIDR)
        return
    if _has_leading_zeros(head) or (length != "0" and length.startswith("0")):
        yield causes.invalid(path, text, "must not have leading 0s in IP or prefix length")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        yield causes.invalid(path, text, "must not have an IPv4-mapped IPv6 address")
    if ipaddress.ip_network(f"{address}/{int(length)}", strict=False).network_address != address:
        yield causes.invalid(path, text, "must not have bits set beyond the prefix length")


def _has_leading_zeros(text: str) -> bool:
    return family(text) == "IPv4" and _LEADING_ZERO.search(text) is not None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
