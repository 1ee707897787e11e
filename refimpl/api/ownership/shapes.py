"""The parts in which objects of a type are owned, from the list and map types of the API's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any, Final, Literal

import attrs

from refimpl.api.ownership import fieldsets
from refimpl.api.schema import ListOf, MapOf, Scalar, Struct, Type

_DEFAULT_KEYS: Final = {"protocol": "TCP"}
"""Keys of list items that may be left out, with what they are then."""


@attrs.frozen(eq=False)
class Shape:
    """How a value is owned.

    Attributes:
        kind: `leaf` as a whole, `struct` and `map` field by field, `list` item by item, known by keys, `set` item by
            item, known by itself.
        struct: of a struct.
        item: of the values of a map or the items of a list.
        keys: fields that tell the items of a list apart.
    """

    kind: Literal["leaf", "struct", "map", "list", "set"]
    struct: Struct | None = None
    item: Shape | None = None
    keys: tuple[str, ...] = ()

    @cached_property
    def _fields(self) -> Mapping[str, Shape]:
        fields = self.struct.fields if self.struct is not None else {}
        return {name: of_field(field.type, field.extras) for name, field in fields.items()}

    def below(self, name: str) -> Shape:
        """The shape of a field of a struct or of a key of a map."""
        return self._fields.get(name, LEAF) if self.kind == "struct" else self.item or LEAF

    def members(self, value: Any) -> Iterator[tuple[str, Any, Shape]]:
        """The members of a value that is not owned as a whole: element, value and shape; a scalar has none."""
        if self.kind in {"struct", "map"}:
            if isinstance(value, dict):
                for name, below in value.items():
                    yield fieldsets.field(name), below, self.below(name)
        elif isinstance(value, list):
            for below in value:
                yield self.element(below), below, self.item or LEAF

    def element(self, value: Any) -> str:
        """The element by which an item of a list or set is known."""
        if self.kind == "set" or not isinstance(value, dict):
            return fieldsets.item(value)
        given = ((key, value.get(key, self._default(key))) for key in self.keys)
        return fieldsets.keyed_item((key, found) for key, found in given if found is not None)

    def _default(self, key: str) -> Any:
        """What a key is that an item leaves out: the zero value, if it is required."""
        if key in _DEFAULT_KEYS:
            return _DEFAULT_KEYS[key]
        struct = self.item.struct if self.item is not None else None
        known = struct.fields.get(key) if struct is not None else None
        if known is None or not known.required or not isinstance(known.type, Scalar):
            return None
        return "" if known.type.code == "s" else 0


LEAF: Final = Shape("leaf")


@cache
def of_struct(struct: Struct) -> Shape:
    """The shape of a struct that is owned field by field."""
    return Shape("struct", struct=struct)


def of_field(kind: Type, extras: Mapping[str, Any]) -> Shape:
    """The shape of a field, from its type and what the schema says of lists and maps."""
    list_type, atomic = extras.get("x-kubernetes-list-type"), extras.get("x-kubernetes-map-type") == "atomic"
    match kind:
        case Struct():
            return LEAF if atomic or kind.map_type == "atomic" else of_struct(kind)
        case MapOf(item) if not atomic:
            return Shape("map", item=of_field(item, {}))
        case ListOf(item) if list_type == "map":
            return Shape("list", item=of_field(item, {}), keys=tuple(extras.get("x-kubernetes-list-map-keys", ())))
        case ListOf(Scalar()) if list_type == "set":
            return Shape("set")
        case _:
            return LEAF
