"""`Warning` headers: what a client should know although its request succeeded.

Source: kube-apiserver 1.36 `endpoints/filters/warning.go` and RFC 7234 (code 299).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MOST = 4096
"""Characters of all warnings of an answer; when there are more, each is cut to `MOST_EACH`."""
MOST_EACH = 256


def headers(texts: Iterable[str]) -> list[tuple[str, str]]:
    """The headers of an answer's warnings: each text once, none that a header cannot carry."""
    fit = [text for text in dict.fromkeys(texts) if text and not _has_control(text)]
    if sum(map(len, fit)) > MOST:
        fit = _cut(fit)
    return [("warning", header(text)) for text in fit]


def header(text: str) -> str:
    """A `Warning` header value."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'


def _cut(texts: Iterable[str]) -> list[str]:
    cut: list[str] = []
    written = 0
    for text in texts:
        if written >= MOST:
            break
        cut.append(text[:MOST_EACH])
        written += len(cut[-1])
    return cut


def _has_control(text: str) -> bool:
    """Whether a text holds what would end or break a header."""
    return not text.isprintable() and any(unicodedata.category(sign) == "Cc" for sign in text)
