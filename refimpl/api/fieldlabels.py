"""Reading the fields that field selectors may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from refimpl.api.errors import Object

FieldGetter = Callable[[Object], str]


@attrs.frozen
class FieldLabel:
    """A getter of one field as text, booleans as `true` and `false`.

    Attributes:
        path: the way to the field, e.g. `spec.nodeName`.
        default: what an absent field reads as.
    """

    path: str
    default: str = ""

    def __call__(self, obj: Object) -> str:
        """The field of an object."""
        *above, last = self.path.split(".")
        return _shown(_below(obj, above).get(last), self.default)


class FieldReader:
    """Reads all labels of a kind off its objects; what lies below one parent is looked up together.

    Args:
        getters: by label.
    """

    def __init__(self, getters: Mapping[str, FieldGetter]) -> None:
        grouped: dict[tuple[str, ...], list[tuple[str, str, str]]] = {}
        self._others = []
        for label, getter in getters.items():
            if isinstance(getter, FieldLabel):
                *above, last = getter.path.split(".")
                grouped.setdefault(tuple(above), []).append((label, last, getter.default))
            else:
                self._others.append((label, getter))
        self._grouped = tuple(grouped.items())

    def read(self, obj: Object) -> dict[str, str]:
        """What the labels say of an object."""
        found = {}
        for above, fields in self._grouped:
            parent = _below(obj, above)
            for label, last, default in fields:
                value = parent.get(last)
                found[label] = value if value.__class__ is str else _shown(value, default)
        for label, getter in self._others:
            found[label] = getter(obj)
        return found


def _below(obj: Object, path: tuple[str, ...] | list[str]) -> Object:
    found = obj
    for key in path:
        found = found.get(key) or {}
    return found


def _shown(value: Any, default: str) -> str:
    if value is None:
        return default
    return str(value).lower() if isinstance(value, bool) else str(value)
