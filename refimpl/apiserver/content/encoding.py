"""Objects as bytes: encoded once, when they are written.

The revision of a write is known only when the store has committed it. So the bytes at rest carry an empty
`metadata.resourceVersion`, near their front, and the revision is spliced in once; nothing is encoded a second time.

Bytes at rest have no `kind` and `apiVersion`, which is the form of a list item on the wire; `full` puts them in front.
"""

from __future__ import annotations

from functools import cache

import msgspec

from refimpl.api.errors import Object
from refimpl.api.resources import Resource

_METADATA_ORDER = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
_VERSION = b'"resourceVersion":"'
_OUTER = frozenset({"kind", "apiVersion", "metadata"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode_value(obj: Object) -> bytes:
    """The bytes at rest of an object; metadata comes first, in Kubernetes' order, unknown metadata is dropped."""
    metadata = obj["metadata"]
    ordered = {key: metadata[key] for key in _METADATA_ORDER if key in metadata}
    if "resourceVersion" not in ordered:
        ordered = {key: ordered.get(key, "") for key in _METADATA_ORDER if key in ordered or key == "resourceVersion"}
    ordered["resourceVersion"] = ""
    body: Object = {"metadata": ordered}
    for key, value in obj.items():
        if key not in _OUTER:
            body[key] = value
    return _encode(body)


def splice(value: bytes, revision: int) -> bytes:
    """The list item made of bytes at rest and the revision they were committed at."""
    # Before the version there are only strings, and a quote inside a string is escaped: the first match is the field.
    at = value.index(_VERSION) + len(_VERSION)
    return b"%b%d%b" % (value[:at], revision, value[at:])


def with_revision(item: bytes, revision: int) -> bytes:
    """The same list item at another revision (a deletion shows the last state with a new version)."""
    at = item.index(_VERSION) + len(_VERSION)
    return b"%b%d%b" % (item[:at], revision, item[item.index(b'"', at) :])


@cache
def type_prefix(resource: Resource) -> bytes:
    """What turns a list item without its opening brace into a full object."""
    return b'{"kind":"%b","apiVersion":"%b",' % (resource.kind.encode(), resource.api_version.encode())


def full(resource: Resource, item: bytes) -> bytes:
    """The object on the wire, `kind` and `apiVersion` first."""
    return type_prefix(resource) + item[1:]


def decode(resource: Resource, item: bytes) -> Object:
    """A private tree of the full object."""
    obj: Object = _decode(type_prefix(resource) + item[1:])
    return obj


def encode(value: object) -> bytes:
    """Any JSON value as bytes."""
    return _encode(value)
