"""HTTP/1.1 as text: request targets to paths and parameters, status lines and headers to bytes."""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_KEPT_TARGET = 512
"""Bytes of the longest target whose reading is remembered, if it has no parameters: nodes ask for the same few things
again and again."""

Query = tuple[tuple[str, str], ...]


class BadTarget(ValueError):
    """A request target that names nothing."""


def target(raw: bytes) -> tuple[str, Query]:
    """The decoded path and the parameters of a request target.

    Raises:
        BadTarget: it is no path, or has a broken escape.
    """
    return _remembered(raw) if len(raw) <= _KEPT_TARGET and b"?" not in raw else _read(raw)


def _read(raw: bytes) -> tuple[str, Query]:
    text = raw.decode("latin-1")
    if not text.startswith("/"):
        # The absolute form, which is for proxies, and must be understood all the same.
        match = _ABSOLUTE.match(text)
        if match is None:
            raise BadTarget(text)
        text = text[match.end() :] or "/"
    path, _, query = text.partition("?")
    if _BAD_ESCAPE.search(path):
        raise BadTarget(text)
    if not path.isascii():
        path = path.encode("latin-1").decode("utf-8", "replace")
    return unquote(path), tuple(parse_qsl(query, keep_blank_values=True)) if query else ()


_remembered = lru_cache(maxsize=16384)(_read)


@lru_cache(maxsize=256)
def header_name(raw: bytes) -> str:
    """A header's name in lower case."""
    return raw.decode("latin-1").lower()


@lru_cache(maxsize=1024)
def head(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Status line and headers of an answer, to be continued by more headers and an empty line."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode(errors="replace") + b"\r\n"


@lru_cache(maxsize=8)
def lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Headers that are bytes already (the date)."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


def plain(status: int) -> bytes:
    """A whole answer for somebody who does not speak HTTP well enough to be given a Status; ends the connection."""
    phrase = f"{status} {HTTPStatus(status).phrase}".encode()
    return (
        b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
        % (phrase, len(phrase), phrase)
    )
