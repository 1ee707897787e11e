"""Values in Go's `%v` notation, which some of kube-apiserver's error texts show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


def go_text(value: Any) -> str:
    """A JSON value as Go prints it: `map[a:1 b:[x y]]`, keys sorted, strings bare, null `<nil>`."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(map(go_text, value))}]"
        case _:
            return str(value)


def go_type(value: Any) -> str:
    """The Go type of a decoded JSON value, e.g. `map[string]interface {}`."""
    return _TYPES[value.__class__]


_TYPES: Final[Mapping[type, str]] = {
    type(None): "<nil>",
    bool: "bool",
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    int: "int64",
    float: "float64",
}
