"""Which types have a binary form, and under which numbers their fields are sent.

Types come from `refimpl.api.schema`; a few that OpenAPI does not describe are here.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import attrs
import msgspec

from refimpl.api import oldertypes, schema
from refimpl.api.schema import Field, Struct

_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
LIST_META: Final = f"{_META}ListMeta"
_META_VERSIONS: Final = ("v1", "v1beta1")


def _raw(kind: str, fields: Mapping[str, str], *versions: str, group: str = "") -> dict[str, Any]:
    """A type in the form of the schema's data file."""
    kinds = [[group, version, kind] for version in versions]
    return {"d": "", "g": kinds, "f": {name: [code, "", ""] for name, code in fields.items()}}


EXTRA: Final[Mapping[str, dict[str, Any]]] = {
    f"{_META}APIGroup": _raw(
        "APIGroup",
        {
            "name": "s",
            "versions": f"[#{_META}GroupVersionForDiscovery",
            "preferredVersion": f"#{_META}GroupVersionForDiscovery",
            "serverAddressByClientCIDRs": f"[#{_META}ServerAddressByClientCIDR",
        },
        "v1",
    ),
    f"{_META}APIGroupList": _raw("APIGroupList", {"groups": f"[#{_META}APIGroup"}, "v1"),
    f"{_META}APIVersions": _raw(
        "APIVersions",
        {"versions": "[s", "serverAddressByClientCIDRs": f"[#{_META}ServerAddressByClientCIDR"},
        "v1",
    ),
    f"{_META}GroupVersionForDiscovery": _raw("", {"groupVersion": "s", "version": "s"}),
    f"{_META}PartialObjectMetadata": _raw(
        "PartialObjectMetadata", {"metadata": f"#{_META}ObjectMeta"}, *_META_VERSIONS, group="meta.k8s.io"
    ),
    f"{_META}PartialObjectMetadataList": _raw(
        "PartialObjectMetadataList",
        {"metadata": f"#{_META}ListMeta", "items": f"[#{_META}PartialObjectMetadata"},
        *_META_VERSIONS,
        group="meta.k8s.io",
    ),
    f"{_META}ServerAddressByClientCIDR": _raw("", {"clientCIDR": "s", "serverAddress": "s"}),
}
"""Types that are sent and that OpenAPI does not describe."""


@attrs.frozen
class Place:
    """Where a field is in the messages of its type.

    Attributes:
        path: numbers of the embedded messages around it, outermost first, and its own.
        wrapped: its list is in a message of its own, as `items`.
    """

    path: tuple[int, ...]
    wrapped: bool


@cache
def _numbers() -> Mapping[str, Mapping[str, str]]:
    packed = files("refimpl.api").joinpath("data/protobuf-1.36.json.gz").read_bytes()
    found: Mapping[str, Mapping[str, str]] = msgspec.json.decode(gzip.decompress(packed))["types"]
    return {**found, **oldertypes.numbers(found)}


@cache
def struct(name: str) -> Struct:
    """The type of a full name.

    Raises:
        KeyError: there is no such type.
    """
    return Struct(name, EXTRA[name], struct) if name in EXTRA else schema.load().struct(name)


@cache
def of_kind(api_version: str, kind: str) -> Struct | None:
    """The type of objects with this `apiVersion` and `kind`, or None when they have no binary form.

    Discovery answers of the core group have no `apiVersion`.
    """
    api_version = api_version or "v1"
    found = schema.of_kind(api_version, kind)
    if found is None:
        group, _, version = api_version.rpartition("/")
        name = next((name for name, raw in EXTRA.items() if [group, version, kind] in raw["g"]), None)
        return None if name is None else struct(name)
    return found if found.name in _numbers() else None


def places(of: Struct) -> list[tuple[Field, Place]]:
    """The fields of a type that are sent, with their places, in the order of the places."""
    found = []
    for name, text in _numbers()[of.name].items():
        path = tuple(map(int, text.rstrip("w").split(".")))
        found.append((of.fields[name], Place(path, text.endswith("w"))))
    return sorted(found, key=lambda pair: pair[1].path)
