"""Objects of every served kind as strategies: mostly of the right shape, now and then of a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from refimpl.api import schema
from refimpl.api.resources import TABLE, Resource

MOST_FIELDS = 6
DEEPEST = 6
NAMES = ("x", "x", "y", "z", "a-1", "UPPER", "-", "a" * 64, "a" * 254, "a/b", "a.b", "..", "%41", "é", "")
"""Few names, so that requests meet each other's objects; some invalid."""
KEYS = ("a", "app.kubernetes.io/name", "node.kubernetes.io/not-ready", "/", "A B", "x" * 300, "")
QUANTITIES = (
    "1",
    "100m",
    "1Gi",
    "0",
    "-1",
    "1e3",
    "1E400",
    "1e-400",
    ".",
    "1Zi",
    "9" * 400,
    "0x10",
    "1.5.5",
    "NaN",
    1,
    2**70,
)
TIMES = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.123456Z",
    "0000-00-00",
    "9999-12-31T23:59:59+23:59",
    "now",
    "",
    None,
)

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([None]),
    st.just({"": None}),
)
_TEXT = st.one_of(
    st.sampled_from(NAMES), st.sampled_from(KEYS), st.text(max_size=12), st.just("True"), st.just("10.0.0.1")
)
_INTEGER = st.one_of(st.integers(-1, 3), st.sampled_from([80, 65536, 2**31 - 1, 2**31, 2**63, -(2**63), 1.0, 1e300]))
_SCALARS: Mapping[str, st.SearchStrategy[Any]] = {
    "s": _TEXT,
    "i": _INTEGER,
    "l": _INTEGER,
    "f": st.floats(),
    "b": st.booleans(),
    "y": st.one_of(st.just("aGVsbG8="), st.text(max_size=6)),
    "t": st.sampled_from(TIMES),
    "T": st.sampled_from(TIMES),
    "q": st.sampled_from(QUANTITIES),
    "x": st.one_of(_INTEGER, st.sampled_from(["50%", "http", "-1%", "1000000000000%"])),
    "*": ODD,
}


@st.composite
def values(draw: st.DrawFn, of: schema.Type, depth: int = 0) -> Any:
    """A value of a type; one in some thirty is of any type."""
    if draw(st.integers(0, 30)) == 30:
        return draw(ODD)
    match of:
        case schema.Scalar(code=code):
            return draw(_SCALARS[code])
        case schema.ListOf(item=item):
            return [draw(values(item, depth + 1)) for _ in range(draw(st.integers(0, 2)))]
        case schema.MapOf(item=item):
            return {draw(st.sampled_from(KEYS)): draw(values(item, depth + 1)) for _ in range(draw(st.integers(0, 2)))}
        case schema.Struct():
            return draw(structs(of, depth))


@st.composite
def structs(draw: st.DrawFn, of: schema.Struct, depth: int = 0) -> dict[str, Any]:
    """Some fields of a struct, more often those that are required."""
    made: dict[str, Any] = {}
    if depth < DEEPEST:
        required, names = _names(of)
        chosen = list(required) if draw(st.integers(0, 9)) else []
        if names:
            chosen += draw(st.lists(st.sampled_from(names), max_size=MOST_FIELDS, unique=True))
        for name in chosen:
            made[name] = draw(values(of.fields[name].type, depth + 1))
    if draw(st.integers(0, 40)) == 40:
        made[draw(_TEXT)] = draw(ODD)
    return made


@cache
def _names(of: schema.Struct) -> tuple[tuple[str, ...], tuple[str, ...]]:
    fields = of.fields.values()
    return tuple(field.name for field in fields if field.required), tuple(field.name for field in fields)


@st.composite
def objects(draw: st.DrawFn, row: Resource) -> dict[str, Any]:
    """An object of a row, with a name that others have too."""
    kind = schema.of_kind(row.api_version, row.kind)
    made = draw(structs(kind)) if kind is not None else {}
    about = {"kind": row.kind, "apiVersion": row.api_version}
    metadata = made.get("metadata")
    if isinstance(metadata, dict) or draw(st.integers(0, 9)):
        metadata = {**(metadata if isinstance(metadata, dict) else {}), "name": draw(st.sampled_from(NAMES))}
        for field in ("namespace", "resourceVersion", "uid") if draw(st.integers(0, 9)) else ():
            metadata.pop(field, None)
    return {**made, **about, "metadata": metadata}


WRITABLE = tuple(row for row in TABLE if "create" in row.verbs)
"""Rows that somebody may write to."""
