"""What is wrong with a text that is not JSON, in the words of Go's `encoding/json`.

Only bodies that msgspec refused come here, so this scanner is simple rather than fast.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 10_000
_SPACE = b" \t\r\n"
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_ESCAPES = b'"\\/bfnrt'
_HEX = b"0123456789abcdefABCDEF"
_DIGITS = b"0123456789"

UNEXPECTED_END = "unexpected end of JSON input"


class SyntaxProblem(Exception):
    """The text is not JSON; the message says where it stops to be."""


def problem(data: bytes) -> str:
    """The first syntax error; empty for good JSON."""
    try:
        _Scanner(data).document()
    except SyntaxProblem as found:
        return str(found)
    return ""


def lenient(value: Any) -> Any:
    """The same value with what UTF-8 cannot carry replaced, as Go does when it decodes."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {lenient(key): lenient(below) for key, below in value.items()}
    if isinstance(value, list):
        return [lenient(below) for below in value]
    return value


def _shown(byte: int) -> str:
    if byte == ord("'"):
        return r"'\''"
    if byte == ord('"'):
        return "'\"'"
    character = chr(byte)
    if character.isprintable():
        return f"'{character}'" if character != "\\" else r"'\\'"
    named = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}.get(character)
    return f"'{named}'" if named else (f"'\\x{byte:02x}'" if byte < 0x80 else f"'\\u{byte:04x}'")


class _Scanner:
    """A scanner with an explicit stack: nesting in the input must not nest calls."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._stack: list[int] = []

    def document(self) -> None:
        self._value()
        while self._stack:
            self._continue()
        self._skip()
        if self._at < len(self._data):
            self._refuse("after top-level value")

    def _skip(self) -> None:
        while self._at < len(self._data) and self._data[self._at] in _SPACE:
            self._at += 1

    def _peek(self) -> int:
        if self._at >= len(self._data):
            raise SyntaxProblem(UNEXPECTED_END)
        return self._data[self._at]

    def _refuse(self, context: str) -> None:
        raise SyntaxProblem(f"invalid character {_shown(self._peek())} {context}")

    def _value(self) -> None:
        self._skip()
        byte = self._peek()
        if byte in b"{[":
            self._open(byte)
        elif byte == ord('"'):
            self._string()
        elif byte in _LITERALS:
            self._literal(_LITERALS[byte])
        elif byte in _DIGITS or byte == ord("-"):
            self._number()
        else:
            self._refuse("looking for beginning of value")

    def _open(self, byte: int) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._refuse("exceeded max depth")
        self._at += 1
        self._stack.append(byte)
        self._skip()
        if byte == ord("{"):
            if self._peek() == ord("}"):
                self._close()
            else:
                self._key()
                self._value()
        elif self._peek() == ord("]"):
            self._close()
        else:
            self._value()

    def _close(self) -> None:
        self._at += 1
        self._stack.pop()

    def _continue(self) -> None:
        """After a value inside an object or array."""
        self._skip()
        byte = self._peek()
        if self._stack[-1] == ord("{"):
            if byte == ord("}"):
                self._close()
            elif byte == ord(","):
                self._at += 1
                self._key()
                self._value()
            else:
                self._refuse("after object key:value pair")
        elif byte == ord("]"):
            self._close()
        elif byte == ord(","):
            self._at += 1
            self._value()
        else:
            self._refuse("after array element")

    def _key(self) -> None:
        self._skip()
        if self._peek() != ord('"'):
            self._refuse("looking for beginning of object key string")
        self._string()
        self._skip()
        if self._peek() != ord(":"):
            self._refuse("after object key")
        self._at += 1

    def _string(self) -> None:
        self._at += 1
        while (byte := self._peek()) != ord('"'):
            if byte < 0x20:
                self._refuse("in string literal")
            self._at += 1
            if byte == ord("\\"):
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        byte = self._peek()
        if byte == ord("u"):
            for _ in range(4):
                self._at += 1
                if self._peek() not in _HEX:
                    self._refuse("in \\u hexadecimal character escape")
        elif byte not in _ESCAPES:
            self._refuse("in string escape code")
        self._at += 1

    def _literal(self, word: bytes) -> None:
        for expected in word:
            if self._peek() != expected:
                self._refuse(f"in literal {word.decode()} (expecting {_shown(expected)})")
            self._at += 1

    def _number(self) -> None:
        if self._peek() == ord("-"):
            self._at += 1
            if self._peek() not in _DIGITS:
                self._refuse("in numeric literal")
        if self._peek() == ord("0"):
            self._at += 1
        else:
            self._digits()
        if self._here(b"."):
            self._at += 1
            if self._peek() not in _DIGITS:
                self._refuse("after decimal point in numeric literal")
            self._digits()
        if self._here(b"eE"):
            self._at += 1
            if self._here(b"+-"):
                self._at += 1
            if self._peek() not in _DIGITS:
                self._refuse("in exponent of numeric literal")
            self._digits()

    def _here(self, wanted: bytes) -> bool:
        return self._at < len(self._data) and self._data[self._at] in wanted

    def _digits(self) -> None:
        while self._here(_DIGITS):
            self._at += 1
