"""Comparing what a server answered with what was recorded: placeholders are variables that must fit together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import attrs

from refimpl.api.errors import Object
from refimpl.clock import parse_time

_PLACEHOLDER = re.compile(
    r"<(?:(?:rv|uid|gen|continue|clusterIP|nodePort)\d+|time|microtime|time\+\d+s|age|years|server|random|session|key)>"
)
_PATTERNS = {
    "rv": r"\d+",
    "uid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "gen": r"[a-z0-9]{5}",
    "continue": r"[A-Za-z0-9_-]+=*",
    "clusterIP": r"\d+\.\d+\.\d+\.\d+",
    "nodePort": r"\d{5}",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "microtime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "age": r"(?:\d+[smhdy])+|<invalid>",
    "years": r"\d+y(?:\d+d)?",
}
_ANYTHING = r".+?"
_QUOTED_JSON = re.compile(r'"\{(?:\\.|[^"\\])*"')
_HASH = re.compile(r"hash=[0-9A-F]+")
_COUNTED = re.compile(r"<(rv|uid|gen|continue|clusterIP|nodePort)(\d+)>")


class UnknownValue(Exception):
    """A request cannot be made, because no earlier answer had the value it needs."""


@attrs.define
class Bindings:
    """What each placeholder of a case stands for in this run.

    Attributes:
        values: text by placeholder.
        versions: every resourceVersion that was seen in an answer.
        uids: every uid seen, in order of appearance.
    """

    values: dict[str, str] = attrs.field(factory=dict)
    versions: set[int] = attrs.field(factory=set)
    uids: dict[str, None] = attrs.field(factory=dict)
    tokens: dict[str, None] = attrs.field(factory=dict)

    def see(self, value: Any) -> None:
        """Takes notice of versions, uids and tokens in an answer nobody compares."""
        if isinstance(value, dict):
            for key, below in value.items():
                if key == "resourceVersion" and isinstance(below, str) and below.isdigit():
                    self.versions.add(int(below))
                elif key == "uid" and isinstance(below, str) and not below.startswith("00000000-"):
                    self.uids.setdefault(below)
                elif key == "continue" and isinstance(below, str):
                    self.tokens.setdefault(below)
                else:
                    self.see(below)
        elif isinstance(value, list):
            for below in value:
                self.see(below)

    def substitute(self, value: Any) -> Any:
        """A recorded request with this run's values."""
        if isinstance(value, str):
            return _PLACEHOLDER.sub(lambda match: self._value(match.group()), value)
        if isinstance(value, dict):
            return {key: self.substitute(below) for key, below in value.items()}
        if isinstance(value, list):
            return [self.substitute(below) for below in value]
        return value

    def _value(self, placeholder: str) -> str:
        if placeholder in self.values:
            return self.values[placeholder]
        counted = _COUNTED.fullmatch(placeholder)
        if counted is not None:
            known = {
                "rv": sorted(map(str, self.versions), key=int),
                "uid": list(self.uids),
                "continue": list(self.tokens),
            }
            listed, index = known.get(counted.group(1), []), int(counted.group(2)) - 1
            if index < len(listed):
                return listed[index]
        if placeholder.startswith("<time"):
            return "2018-07-02T02:11:27Z"
        raise UnknownValue(f"nothing is known about {placeholder} when a request needs it")

    def bind(self, placeholder: str, text: str) -> bool:
        """Whether a text can be what a placeholder stands for."""
        counted = _COUNTED.fullmatch(placeholder)
        if counted is None:
            return True
        known = self.values.get(placeholder)
        if known is not None:
            return known == text
        kind = counted.group(1)
        for other, value in self.values.items():
            if other.startswith(f"<{kind}") and value == text:
                return False
        if kind == "rv":
            number = int(counted.group(2))
            for other, value in self.values.items():
                against = _COUNTED.fullmatch(other)
                if against is not None and against.group(1) == "rv" and _out_of_order(number, text, against, value):
                    return False
        self.values[placeholder] = text
        return True


def _out_of_order(number: int, text: str, against: re.Match[str], value: str) -> bool:
    return (number < int(against.group(2))) is not (int(text) < int(value))


def differences(expected: Any, actual: Any, bindings: Bindings, now: datetime, path: str = "") -> Iterator[str]:
    """Every way in which an answer differs from the recording."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from _map_differences(expected, actual, bindings, now, path)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            about = f"want {_short(expected)}, got {_short(actual)}"
            yield f"{path}: want {len(expected)} items, got {len(actual)}: {about}"
        for index, (left, right) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(left, right, bindings, now, f"{path}[{index}]")
    elif isinstance(expected, str) and _PLACEHOLDER.search(expected):
        if not fits(expected, str(actual), bindings, now):
            yield f"{path}: want {expected}, got {_short(actual)} ({bindings.values.get(expected, 'unbound')})"
    elif isinstance(expected, str) and isinstance(actual, str) and _comparable(expected) == _comparable(actual):
        return
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{path}: want {_short(expected)}, got {_short(actual)}"


def _map_differences(expected: Object, actual: Object, bindings: Bindings, now: datetime, path: str) -> Iterator[str]:
    for key, value in expected.items():
        if key not in actual:
            yield f"{path}.{key}: missing, want {_short(value)}"
        else:
            yield from differences(value, actual[key], bindings, now, f"{path}.{key}")
    for key in actual:
        if key not in expected and key != "managedFields":
            yield f"{path}.{key}: not expected: {_short(actual[key])}"


def _comparable(text: str) -> str:
    """A text without what means nothing in it: the order of keys in quoted JSON, the hash of a document."""
    return _HASH.sub("hash=", _QUOTED_JSON.sub(_with_sorted_keys, text))


def _with_sorted_keys(quoted: re.Match[str]) -> str:
    try:
        return json.dumps(json.dumps(json.loads(json.loads(quoted.group())), sort_keys=True), ensure_ascii=False)
    except ValueError:
        return quoted.group()


def fits(expected: str, actual: str, bindings: Bindings, now: datetime) -> bool:
    """Whether a text with placeholders can be the text of the answer."""
    expected, actual = _comparable(expected), _comparable(actual)
    pattern = []
    names = []
    end = 0
    for match in _PLACEHOLDER.finditer(expected):
        pattern.append(re.escape(expected[end : match.start()]))
        name = match.group()
        kind = re.sub(r"\d+$|\+\d+s$", "", name[1:-1])
        pattern.append(f"({_PATTERNS.get(kind, _ANYTHING)})")
        names.append(name)
        end = match.end()
    pattern.append(re.escape(expected[end:]))
    found = re.fullmatch("".join(pattern), actual, re.DOTALL)
    if found is None:
        return False
    pairs = list(zip(names, found.groups(), strict=True))
    return all(bindings.bind(name, text) and _in_time(name, text, now) for name, text in pairs)


def _in_time(placeholder: str, text: str, now: datetime) -> bool:
    ahead = re.fullmatch(r"<time\+(\d+)s>", placeholder)
    if ahead is None:
        return True
    return abs(parse_time(text) - now - timedelta(seconds=int(ahead.group(1)))) < timedelta(seconds=2)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 400 else text[:400] + "..."
