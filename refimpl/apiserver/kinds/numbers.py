"""Rules for numbers, ports and port names.

Source: kube-apiserver 1.36 `apimachinery/pkg/util/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from refimpl.api.errors import Cause
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.kinds.quantities import NOT_NEGATIVE

MAX_INT32: Final = 2**31 - 1

_PORT_NAME: Final = re.compile(r"[-a-z0-9]*", re.ASCII)


def not_negative(value: int | None, path: str) -> Iterable[Cause]:
    """The number is at least zero; absent is good."""
    if value is not None and value < 0:
        yield causes.invalid(path, value, NOT_NEGATIVE)


def between(value: int | None, least: int, most: int, path: str) -> Iterable[Cause]:
    """The number lies in a range; absent is good."""
    if value is not None and not least <= value <= most:
        yield causes.invalid(path, value, f"must be between {least} and {most}, inclusive")


def port(value: int, path: str) -> Iterable[Cause]:
    """A port number."""
    return between(value, 1, 65535, path)


def port_or_name(value: int | str | None, path: str) -> Iterable[Cause]:
    """A port number, or the name of a port."""
    if isinstance(value, str):
        for why in port_name_problems(value):
            yield causes.invalid(path, value, why)
    else:
        yield from port(value or 0, path)


def port_name_problems(name: str) -> Iterable[str]:
    """What is wrong with the name of a port."""
    if len(name) > 15:
        yield "must be no more than 15 characters"
    if _PORT_NAME.fullmatch(name) is None:
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", name):
        yield "must contain at least one letter (a-z)"
    if "--" in name:
        yield "must not contain consecutive hyphens"
    if name.startswith("-") or name.endswith("-"):
        yield "must not begin or end with a hyphen"
