"""JSON as kube-apiserver reads it: what is accepted, what errors say, which keys are there twice.

Good bodies take the fast decoder. Only a body that it refuses is looked at again, character by character, either to say
what Go's `encoding/json` says about it or to accept what Go accepts (bad UTF-8, lone surrogates).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Self

import msgspec

MAX_DEPTH: Final = 10_000
UNEXPECTED_END: Final = "unexpected end of JSON input"

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING_PART: Final = re.compile(r'[^"\\\x00-\x1f]*')
_LITERALS: Final = {"t": "true", "f": "false", "n": "null"}
_BLANK_COLONS: Final = (b" :", b"\n:", b"\t:", b"\r:")
_KEY: Final = "looking for beginning of object key string"
_VALUE: Final = "looking for beginning of value"

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class JsonError(ValueError):
    """A body that is not JSON; the text is that of Go's `encoding/json`."""


class NumberLiteral(float):
    """A number with a fraction or an exponent that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Reads a number."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, repeated ones among them."""


def decode(body: bytes) -> Any:
    """The value of a JSON text; of a repeated key the last value.

    Raises:
        JsonError: the text is not JSON, or nested too deeply.
    """
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _Scanner(body).check()
        return _without_surrogates(_loads(body))


def decode_with_literals(body: bytes) -> Any:
    """Like `decode`, with every number that is no integer as a `NumberLiteral`: for texts that quote it.

    Raises:
        JsonError: as in `decode`.
    """
    _Scanner(body).check()
    return _loads(body, parse_float=NumberLiteral)


def decode_pairs(body: bytes) -> Any:
    """The value with every object as a list of pairs, so that repeated keys show; see `members`.

    Raises:
        JsonError: as in `decode`.
    """
    return _loads(body, object_pairs_hook=_Pairs)


def members(value: Any) -> Iterator[tuple[str, Any]] | None:
    """The members of a decoded object of either form in the order of the text; None for any other value."""
    if isinstance(value, _Pairs):
        return iter(value)
    return iter(value.items()) if isinstance(value, dict) else None


def has_duplicates(body: bytes, value: Any) -> bool:
    """Whether any object of a (valid) text has a key twice.

    Args:
        body: the text.
        value: what it decodes to.
    """
    if not isinstance(value, dict | list):
        return False
    if _encode(value) == body:
        return False
    # Without blanks before colons, every key is followed by `":`, so counting tells; whatever else has such a pair of
    # characters (a string) only costs the closer look.
    if body.count(b'":') == _keys(value) and not any(blank in body for blank in _BLANK_COLONS):
        return False
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or (len(pairs) > 1 and len({key for key, _ in pairs}) != len(pairs))

    _loads(body, object_pairs_hook=look)
    return found


def _keys(value: dict[str, Any] | list[Any]) -> int:
    """How many keys all objects of a value have."""
    count, members = (len(value), value.values()) if isinstance(value, dict) else (0, value)
    for below in members:
        if isinstance(below, dict | list):
            count += _keys(below)
    return count


def duplicates(body: bytes, value: Any = None) -> list[str]:
    """Paths of the keys that are there twice, e.g. `metadata.name`, `spec.taints[0].key`, in the order of the text.

    Args:
        body: a valid text.
        value: what it decodes to, where that is known.
    """
    found: dict[str, None] = {}
    if has_duplicates(body, decode(body) if value is None else value):
        _collect(decode_pairs(body), "", found)
    return list(found)


def _collect(value: Any, path: str, found: dict[str, None]) -> None:
    pairs = members(value)
    if pairs is not None:
        seen = set()
        for key, below in pairs:
            place = f"{path}.{key}" if path else key
            if key in seen:
                found[place] = None
            seen.add(key)
            _collect(below, place, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _collect(item, f"{path}[{index}]", found)


def type_name(value: Any) -> str:
    """What Go calls a JSON value in decoding errors: `string`, `number`, `bool`, `array`, `object`, `null`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "object" if members(value) is not None else "array"


def _loads(body: bytes, **hooks: Any) -> Any:
    try:
        return json.loads(body.decode("utf-8", "replace"), **hooks)
    except RecursionError:
        raise JsonError("invalid character '{' exceeded max depth") from None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


class _Scanner:
    """Finds the first character at which a text stops being JSON. Bytes are characters here, as in Go's scanner."""

    def __init__(self, body: bytes) -> None:
        self._text = body.decode("latin-1")
        self._at = 0
        self._open: list[str] = []

    def check(self) -> None:
        """Raises `JsonError` unless the text is JSON."""
        self._value()
        while self._open:
            self._after_element()
        self._skip()
        if self._at < len(self._text):
            self._refuse("after top-level value")

    def _refuse(self, where: str) -> None:
        if self._at >= len(self._text):
            raise JsonError(UNEXPECTED_END)
        raise JsonError(f"invalid character {_quoted(self._text[self._at])} {where}")

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _skip(self) -> str:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._peek()

    def _expect(self, character: str, where: str) -> None:
        if self._peek() != character:
            self._refuse(where)
        self._at += 1

    def _value(self) -> None:
        """Reads one scalar or the opening of containers down to the first scalar or empty container."""
        while True:
            character = self._skip()
            if character in {"{", "["} and character:
                if len(self._open) >= MAX_DEPTH:
                    self._refuse("exceeded max depth")
                self._open.append(character)
                self._at += 1
                if self._skip() == ("}" if character == "{" else "]"):
                    return
                if character == "{":
                    self._object_key()
                continue
            self._scalar(character)
            return

    def _after_element(self) -> None:
        character = self._skip()
        container = self._open[-1]
        if character == ("}" if container == "{" else "]"):
            self._at += 1
            self._open.pop()
            return
        self._expect(",", "after object key:value pair" if container == "{" else "after array element")
        if container == "{":
            self._skip()
            self._object_key()
        self._value()

    def _object_key(self) -> None:
        self._expect('"', _KEY)
        self._string()
        self._skip()
        self._expect(":", "after object key")

    def _scalar(self, character: str) -> None:
        if character == '"':
            self._at += 1
            self._string()
        elif character in _LITERALS:
            self._literal(_LITERALS[character])
        elif character == "-" or character.isdigit():
            self._number()
        else:
            self._refuse(_VALUE)

    def _literal(self, word: str) -> None:
        for expected in word:
            self._expect(expected, f"in literal {word} (expecting '{expected}')")

    def _number(self) -> None:
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            self._at += 1
            self._refuse("in numeric literal")
            return
        self._at = match.end()
        if self._peek() == ".":
            self._at += 1
            self._refuse("after decimal point in numeric literal")
        if self._peek() in {"e", "E"}:
            self._at += 2 if self._text[self._at + 1 : self._at + 2] in {"+", "-"} else 1
            self._refuse("in exponent of numeric literal")

    def _string(self) -> None:
        while True:
            match = _STRING_PART.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            character = self._peek()
            if character == '"':
                self._at += 1
                return
            if character != "\\":
                self._refuse("in string literal")
            self._at += 1
            self._escape()

    def _escape(self) -> None:
        character = self._peek()
        if character not in set('"\\/bfnrtu') or not character:
            self._refuse("in string escape code")
        self._at += 1
        if character == "u":
            for _ in range(4):
                if self._peek() not in set("0123456789abcdefABCDEF") or not self._peek():
                    self._refuse("in \\u hexadecimal character escape")
                self._at += 1


def _quoted(character: str) -> str:
    """A character in Go's quotes."""
    if character == "'":
        return r"'\''"
    if character == '"':
        return "'\"'"
    short = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\a": r"\a", "\b": r"\b", "\f": r"\f", "\v": r"\v", "\\": "\\\\"}
    if character in short:
        return f"'{short[character]}'"
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"'\\x{ord(character):02x}'"
    if not character.isprintable():
        return f"'\\u{ord(character):04x}'"
    return f"'{character}'"
