"""Objects survive the way through their binary form, for every kind that is served."""

from __future__ import annotations

import string
from base64 import b64encode
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from refimpl.api import protobuf, schema, typed
from refimpl.api.protobuf import DecodeError, types
from refimpl.api.protobuf.unknown import MAGIC, unwrap, wrap
from refimpl.api.protobuf.wire import WireError, fields, read_varint, signed, varint
from refimpl.api.resources import TABLE
from refimpl.api.schema import Field, ListOf, MapOf, Scalar, Struct, Type

OTHERS = [
    ("v1", "PodList"),
    ("coordination.k8s.io/v1", "LeaseList"),
    ("v1", "Status"),
    ("v1", "DeleteOptions"),
    ("v1", "APIResourceList"),
    ("autoscaling/v1", "Scale"),
    ("policy/v1", "Eviction"),
    ("authentication.k8s.io/v1", "TokenRequest"),
]
KINDS = sorted({(row.api_version, row.kind) for row in TABLE} | set(OTHERS))
DEEPEST = 5
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
SECONDS = st.datetimes().map(lambda moment: f"{moment.replace(microsecond=0).isoformat()}Z")
MICROSECONDS = st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='microseconds')}Z")
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "s": st.text(max_size=6),
    "i": st.integers(-(2**31), 2**31 - 1),
    "l": st.integers(-(2**63), 2**63 - 1),
    "f": st.floats(allow_nan=False, allow_infinity=False),
    "b": st.booleans(),
    "y": st.binary(max_size=6).map(lambda data: b64encode(data).decode()),
    "t": SECONDS,
    "T": MICROSECONDS,
    "q": st.sampled_from(["0", "1", "100m", "1.5Gi", "-2", "1e3", "12345678901234567890"]),
    "x": st.integers(-(2**31), 2**31 - 1) | st.text(max_size=4),
    "*": JSON_VALUES,
}


def values(kind: Type, depth: int) -> st.SearchStrategy[Any]:
    """JSON values of a type."""
    if isinstance(kind, Scalar):
        return SCALARS[kind.code]
    if isinstance(kind, ListOf):
        return st.lists(values(kind.item, depth), max_size=2)
    if isinstance(kind, MapOf):
        return st.dictionaries(st.text(string.ascii_letters, max_size=3), values(kind.item, depth), max_size=2)
    return objects(kind, depth + 1)


@cache
def objects(struct: Struct, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of a type, with any of its fields that are sent."""
    sent = [field for field, _ in types.places(struct) if depth < DEEPEST or isinstance(field.type, Scalar)]
    if not sent:
        return st.just({})
    some = st.lists(st.sampled_from(sent), unique_by=lambda field: field.name, max_size=3)
    return some.flatmap(lambda chosen: st.fixed_dictionaries({field.name: _of(field, depth) for field in chosen}))


def _of(field: Field, depth: int) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: values(field.type, depth))


def typed_again(struct: Struct, obj: dict[str, Any]) -> dict[str, Any]:
    """The object as a typed server holds it."""
    return typed.decode_struct(struct, obj)


@pytest.mark.parametrize(("api_version", "kind"), KINDS, ids=lambda value: value)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_object_comes_back_as_it_was(api_version: str, kind: str, data: st.DataObject) -> None:
    struct = schema.of_kind(api_version, kind)
    assert struct is not None
    meant = typed_again(struct, data.draw(objects(struct, 0)))
    body = protobuf.encode({**meant, "apiVersion": api_version, "kind": kind})
    assert body is not None
    assert body.startswith(MAGIC)
    back = protobuf.decode(body)
    assert (back.pop("apiVersion"), back.pop("kind")) == (api_version, kind)
    for named in ("kind", "apiVersion"):
        meant.pop(named, None)
    again = typed_again(struct, back)
    for named in ("kind", "apiVersion"):
        again.pop(named, None)
    assert again == meant


def test_every_served_kind_and_its_list_have_a_binary_form() -> None:
    lists = [(row.api_version, row.list_kind) for row in TABLE if row.stored]
    assert [kind for kind in (*KINDS, *lists) if types.of_kind(*kind) is None] == []


def test_a_table_has_none() -> None:
    assert protobuf.encode({"apiVersion": "meta.k8s.io/v1", "kind": "Table"}) is None


@pytest.mark.parametrize("kind", ["APIVersions", "APIResourceList"])
def test_discovery_of_the_core_group_has_no_version(kind: str) -> None:
    body = protobuf.encode({"kind": kind})
    assert body is not None
    assert (unwrap(body).api_version, unwrap(body).kind) == ("", kind)


def test_metadata_alone_has_one() -> None:
    obj = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "n"}}
    body = protobuf.encode(obj)
    assert body is not None
    assert protobuf.decode(body) == obj


def test_the_bytes_of_a_node_are_those_of_its_message() -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a1"}, "spec": {"unschedulable": True}}
    raw = b"\n\x04\n\x02a1" + b"\x12\x02 \x01"
    assert (
        protobuf.encode(node) == b"k8s\x00\n\n\n\x02v1\x12\x04Node\x12" + bytes([len(raw)]) + raw + b"\x1a\x00\x22\x00"
    )


def test_inlined_parts_are_messages_of_their_own() -> None:
    volume = {"name": "v", "configMap": {"name": "c", "optional": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"volumes": [volume]}}
    body = protobuf.encode(pod)
    assert body is not None
    assert protobuf.decode(body)["spec"]["volumes"] == [volume]
    spec = {number: value for number, _, value in fields(unwrap(body).raw)}[2]
    assert isinstance(spec, bytes)
    parts = {number: value for number, _, value in fields(next(value for _, _, value in fields(spec)))}  # type: ignore[arg-type]
    assert sorted(parts) == [1, 2]


def test_a_time_has_whole_seconds_and_a_micro_time_six_digits() -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"creationTimestamp": "2021-02-03T04:05:06Z"},
        "spec": {"renewTime": "2021-02-03T04:05:06.789012Z"},
    }
    body = protobuf.encode(lease)
    assert body is not None
    assert protobuf.decode(body) == lease


def test_a_zero_time_is_null() -> None:
    raw = b"\n\x02B\x00"
    assert protobuf.decode(wrap("v1", "Node", raw)) == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"creationTimestamp": None},
    }


def test_unknown_fields_are_left_out() -> None:
    known = b"\n\x04\n\x02a1"
    unknown = b"\xf8\x07\x05" + b"\xfa\x07\x01x" + b"\xf9\x0712345678" + b"\xfd\x071234" + b"\xfb\x07\x08\x01\xfc\x07"
    assert protobuf.decode(wrap("v1", "Node", unknown + known))["metadata"] == {"name": "a1"}


def test_messages_that_come_in_pieces_are_merged() -> None:
    pieces = b"\n\x04\n\x02a1" + b"\n\x04*\x02u1"
    assert protobuf.decode(wrap("v1", "Node", pieces))["metadata"] == {"name": "a1", "uid": "u1"}


def test_packed_numbers_are_read_too() -> None:
    security = b"\x22\x03\x01\x02\x03"
    spec = b"\x72" + bytes([len(security)]) + security
    pod = b"\x12" + bytes([len(spec)]) + spec
    found = protobuf.decode(wrap("v1", "Pod", pod))
    assert found["spec"]["securityContext"]["supplementalGroups"] == [1, 2, 3]


def test_an_object_in_an_object_may_have_an_envelope() -> None:
    inner = protobuf.encode({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}})
    assert inner is not None
    raw = b"\x12" + varint(len(inner) + 1 + len(varint(len(inner)))) + b"\n" + varint(len(inner)) + inner
    revision = protobuf.decode(wrap("apps/v1", "ControllerRevision", raw))
    assert revision["data"] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}


def test_objects_in_objects_in_objects_come_to_an_end() -> None:
    body = b""
    for _ in range(5000):
        raw = b"\n" + varint(len(body)) + body
        body = wrap("apps/v1", "ControllerRevision", b"\x12" + varint(len(raw)) + raw)
    with pytest.raises(DecodeError, match="nested too deeply"):
        protobuf.decode(body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty data"),
        (b'{"a":1}', "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (b"k8s\x00", "empty body"),
        (b"k8s\x00\n\xff", "unexpected EOF"),
        (wrap("v1", "Node", b"\n\x04\n\x09a"), "unexpected EOF"),
        (wrap("v1", "Node", b"\x08\x01"), "proto: wrong wireType = 0 for field ObjectMeta"),
        (wrap("v1", "Node", b"\x00\x01"), "proto: Node: illegal tag 0 (wire type 0)"),
        (wrap("v1", "Node", b"\xff" * 11), "proto: integer overflow"),
    ],
)
def test_a_bad_body_is_refused_with_the_words_of_the_original(body: bytes, why: str) -> None:
    with pytest.raises(DecodeError) as refused:
        protobuf.decode(body)
    assert str(refused.value) == why


def test_the_kind_may_be_left_to_the_url() -> None:
    assert protobuf.decode(wrap("", "", b"\n\x04\n\x02a1"), "v1", "Node")["kind"] == "Node"


@given(st.binary(max_size=60))
@example(b"\x0b" * 30)
def test_no_bytes_do_harm(raw: bytes) -> None:
    for kind in ("Node", "Pod"):
        try:
            protobuf.decode(wrap("v1", kind, raw))
        except DecodeError:
            continue


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_keep_their_sign(number: int) -> None:
    value, end = read_varint(varint(number), 0)
    assert (signed(value, 64), end) == (number, len(varint(number)))


def test_a_number_that_never_ends_is_none() -> None:
    with pytest.raises(WireError):
        read_varint(b"\x80" * 12, 0)


def test_a_watch_event_has_a_length_and_an_object_with_its_envelope() -> None:
    body = protobuf.encode({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a1"}})
    assert body is not None
    frame = protobuf.event_frame("ADDED", body)
    size = int.from_bytes(frame[: protobuf.LENGTH_BYTES])
    assert size == len(frame) - protobuf.LENGTH_BYTES
    event = {number: value for number, _, value in fields(frame[protobuf.LENGTH_BYTES :])}
    assert event[1] == b"ADDED"
    assert isinstance(event[2], bytes)
    assert [value for _, _, value in fields(event[2])] == [body]


def test_a_list_is_made_of_encoded_items() -> None:
    items = [{"metadata": {"name": name}} for name in ("a", "b")]
    encoded = [protobuf.encode_item("v1", "Node", item) for item in items]
    body = protobuf.encode_list("v1", "NodeList", {"resourceVersion": "7", "remainingItemCount": 3}, encoded)
    assert protobuf.decode(body) == {
        "apiVersion": "v1",
        "kind": "NodeList",
        "metadata": {"resourceVersion": "7", "remainingItemCount": 3},
        "items": items,
    }
