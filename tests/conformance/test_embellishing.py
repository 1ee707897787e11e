"""Fields that nobody knows are added to answers in either form, and change nothing of what is known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.embellishing import embellished
from refimpl.api import protobuf
from refimpl.api.http import Response

NODE: dict[str, Any] = {
    "kind": "Node",
    "apiVersion": "v1",
    "metadata": {"name": "n1", "labels": {"a": "b"}},
    "spec": {"unschedulable": True},
    "status": {"capacity": {"cpu": "1"}},
}
BINARY = (("content-type", protobuf.MEDIA_TYPE),)
STREAM = (("content-type", f"{protobuf.MEDIA_TYPE};stream=watch"),)


def bytes_of(obj: dict[str, Any]) -> bytes:
    encoded = protobuf.encode(obj)
    assert encoded is not None
    return encoded


def test_an_object_in_binary_form_is_richer_and_means_the_same() -> None:
    plain = bytes_of(NODE)
    richer = embellished(Response(200, plain, BINARY)).body
    assert isinstance(richer, bytes)
    assert richer.count(b"conformance suite") == 4
    assert protobuf.decode(richer) == NODE


def test_items_of_a_list_are_richer_too() -> None:
    listed = {"kind": "NodeList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [NODE, NODE]}
    richer = embellished(Response(200, bytes_of(listed), BINARY)).body
    assert isinstance(richer, bytes)
    assert richer.count(b"conformance suite") == 2 + 2 * 4
    assert protobuf.decode(richer) == protobuf.decode(bytes_of(listed))


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_events_of_a_binary_watch_are_richer_however_they_arrive(size: int) -> None:
    frames = protobuf.event_frame("ADDED", bytes_of(NODE)) * 2

    async def body():
        for at in range(0, len(frames), size):
            yield frames[at : at + size]

    stream = embellished(Response(200, body(), STREAM)).body
    assert not isinstance(stream, bytes)
    whole = b"".join([chunk async for chunk in stream])
    assert whole.count(b"conformance suite") == 2 * 4
    assert int.from_bytes(whole[: protobuf.LENGTH_BYTES]) == len(whole) // 2 - protobuf.LENGTH_BYTES


def test_an_object_as_text_is_richer() -> None:
    richer = embellished(Response(200, json.dumps(NODE).encode())).body
    assert isinstance(richer, bytes)
    assert richer.count(b"conformanceSuite") == 4


@pytest.mark.parametrize("body", [b"ok", b"[1]", b"k8s\x00\xff"])
def test_anything_else_stays_as_it_is(body: bytes) -> None:
    headers = BINARY if body.startswith(b"k8s") else ()
    assert embellished(Response(200, body, headers)).body == body
