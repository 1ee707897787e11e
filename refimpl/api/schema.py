"""The fields of every kind the API serves: types, merge keys, descriptions.

The table behind it (`refimpl/api/data`, Kubernetes 1.36) is read on first use; a type is built when it is first asked
for. What a typed server does with the types is in `refimpl.api.typed`, patches in `refimpl.api.patch`.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final, Literal

import attrs
import msgspec

from refimpl.api import oldertypes

ScalarCode = Literal["s", "i", "l", "f", "b", "y", "t", "T", "q", "x", "*"]
GroupVersionKind = tuple[str, str, str]

GO_TYPES: Final[Mapping[str, str]] = {
    "s": "string",
    "i": "int32",
    "l": "int64",
    "f": "float64",
    "b": "bool",
    "y": "[]uint8",
    "t": "v1.Time",
    "T": "v1.MicroTime",
    "q": "resource.Quantity",
    "x": "intstr.IntOrString",
    "*": "runtime.RawExtension",
}


@attrs.frozen
class Scalar:
    """A type without fields or items.

    Attributes:
        code: `s` string, `i` int32, `l` int64, `f` float64, `b` bool, `y` base64 bytes, `t` Time, `T` MicroTime,
            `q` Quantity, `x` int or string, `*` any JSON.
        go_type: the type's name in decoding errors.
    """

    code: ScalarCode
    go_type: str


@attrs.frozen
class ListOf:
    """A list."""

    item: Type

    @property
    def go_type(self) -> str:
        """The type's name in decoding errors."""
        return f"[]{self.item.go_type}"


@attrs.frozen
class MapOf:
    """A map with string keys."""

    item: Type

    @property
    def go_type(self) -> str:
        """The type's name in decoding errors."""
        return f"map[string]{self.item.go_type}"


@attrs.frozen
class Field:
    """One field of a struct.

    Attributes:
        name: key in JSON.
        type: its type.
        description: text of the API documentation.
        required: marked required in OpenAPI.
        omitempty: left out of answers when empty.
        pointer: absent and zero differ.
        omitzero: left out when zero although the type is a struct.
        merge_key: field by which items of a list merge in strategic patches; empty when they do not.
        strategies: patch strategies (`merge`, `replace`, `retainKeys`).
        extras: list type, list map keys and map type as OpenAPI extensions.
    """

    name: str
    type: Type
    description: str
    required: bool
    omitempty: bool
    pointer: bool
    omitzero: bool
    merge_key: str
    strategies: tuple[str, ...]
    extras: Mapping[str, Any]


class Struct:
    """A type with fields.

    Attributes:
        name: full name, e.g. `io.k8s.api.core.v1.NodeSpec`.
        description: text of the API documentation.
        kinds: group, version and kind of the objects it describes, if any.
        map_type: `atomic` when it is replaced as a whole by server-side apply.
    """

    def __init__(self, name: str, raw: Mapping[str, Any], struct: Callable[[str], Struct]) -> None:
        self.name = name
        self.description: str = raw["d"]
        self.kinds: tuple[GroupVersionKind, ...] = tuple(
            (group, version, kind) for group, version, kind in raw.get("g", ())
        )
        self.map_type: str = raw.get("m", "")
        self._raw = raw["f"]
        self._struct = struct

    @property
    def go_name(self) -> str:
        """`NodeSpec`."""
        return self.name.rpartition(".")[2]

    @property
    def go_type(self) -> str:
        """`v1.NodeSpec`: the type's name in decoding errors."""
        return ".".join(self.name.split(".")[-2:])

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """Fields by name."""
        return {name: self._field(name, *packed) for name, packed in self._raw.items()}

    def _field(
        self, name: str, code: str, flags: str, description: str, extras: Mapping[str, Any] | None = None
    ) -> Field:
        rules = extras or {}
        return Field(
            name=name,
            type=self._type(code, rules.get("n")),
            description=description,
            required="r" in flags,
            omitempty="o" in flags,
            pointer="p" in flags,
            omitzero="z" in flags,
            merge_key=rules.get("k", ""),
            strategies=tuple(rules["p"].split(",")) if "p" in rules else (),
            extras={_EXTENSIONS[letter]: value for letter, value in rules.items() if letter in _EXTENSIONS},
        )

    def _type(self, code: str, go_name: str | None) -> Type:
        match code[0]:
            case "#":
                return self._struct(code[1:])
            case "[":
                return ListOf(self._type(code[1:], go_name))
            case "{":
                return MapOf(self._type(code[1:], go_name))
            case _:
                return Scalar(_scalar(code), go_name or GO_TYPES[code])


Type = Scalar | ListOf | MapOf | Struct

_EXTENSIONS: Final = {
    "k": "x-kubernetes-patch-merge-key",
    "p": "x-kubernetes-patch-strategy",
    "l": "x-kubernetes-list-type",
    "L": "x-kubernetes-list-map-keys",
    "m": "x-kubernetes-map-type",
}


def _gvk(packed: list[str]) -> GroupVersionKind:
    group, version, kind = packed
    return group, version, kind


def _scalar(code: str) -> ScalarCode:
    assert code in GO_TYPES
    return code  # type: ignore[return-value] # the keys of GO_TYPES are the literals


class Schema:
    """All types of one Kubernetes release.

    Args:
        document: the decoded data file.

    Attributes:
        release: e.g. `1.36.0`.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.release: str = document["release"]
        self._names = sorted(document["types"])
        self._raw: Mapping[str, Any] = document["types"] | oldertypes.types(document["types"])
        self._structs: dict[str, Struct] = {}
        self._kinds = {
            (group, version, kind): name for name, raw in self._raw.items() for group, version, kind in raw.get("g", ())
        }

    def names(self) -> list[str]:
        """Full names of all types of the release, sorted."""
        return list(self._names)

    def struct(self, name: str) -> Struct:
        """The type of a full name.

        Raises:
            KeyError: there is no such type.
        """
        found = self._structs.get(name)
        if found is None:
            found = self._structs[name] = Struct(name, self._raw[name], self.struct)
        return found

    def kind(self, api_version: str, kind: str) -> Struct | None:
        """The type of objects with this `apiVersion` and `kind`, or None."""
        group, _, version = api_version.rpartition("/")
        name = self._kinds.get((group, version, kind))
        return None if name is None else self.struct(name)


@cache
def load() -> Schema:
    """The schema of the release that the reference implements (some 7 ms the first time)."""
    packed = files("refimpl.api").joinpath("data/k8s-1.36.json.gz").read_bytes()
    return Schema(msgspec.json.decode(gzip.decompress(packed)))


@cache
def of_kind(api_version: str, kind: str) -> Struct | None:
    """The type of objects with this `apiVersion` and `kind`, or None."""
    return load().kind(_SAME_AS.get(api_version, api_version), kind)


_SAME_AS: Final = {"policy/v1beta1": "policy/v1"}
"""Older versions whose types are those of a newer one."""
