"""Rules for metadata that hold for every kind."""

from __future__ import annotations

import pytest

from refimpl.api.errors import Object
from refimpl.api.resources import CONFIGMAPS, NODES
from tests.apiserver_kinds.support import accepted, changed, refused, update


def node(**metadata: object) -> Object:
    return {"metadata": {"name": "n1", **metadata}}


def test_a_name_is_required() -> None:
    assert refused(NODES, node(name="")) == ["metadata.name: Required value: name or generateName is required"]


def test_a_bad_name_is_quoted_with_its_rule() -> None:
    (text,) = refused(NODES, node(name="Node1"))
    assert text.startswith('metadata.name: Invalid value: "Node1": a lowercase RFC 1123 subdomain must consist of')


def test_a_prefix_may_end_with_a_dash() -> None:
    assert not refused(NODES, node(name="node-abcde", generateName="node-"))
    assert refused(NODES, node(name="node-abcde", generateName="Node-"))


@pytest.mark.parametrize("key", ["bad key", "/x", "a/b/c", "x" * 64])
def test_label_keys_are_qualified_names(key: str) -> None:
    assert refused(NODES, node(labels={key: "v"}))


def test_annotation_keys_may_have_capitals_in_the_prefix() -> None:
    assert not refused(NODES, node(annotations={"Example.COM/Key": "v"}))
    assert refused(NODES, node(labels={"Example.COM/Key": "v"}))


def test_annotations_have_a_limit_together() -> None:
    assert refused(NODES, node(annotations={"a": "x" * 200_000, "b": "x" * 62_140})) == []
    assert refused(NODES, node(annotations={"a": "x" * 200_000, "b": "x" * 62_143})) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]


def test_short_finalizers_are_only_those_of_kubernetes() -> None:
    assert not refused(NODES, node(finalizers=["kubernetes", "example.com/hold"]))
    (text,) = refused(NODES, node(finalizers=["hold"]))
    why = "name is neither a standard finalizer name nor is it fully qualified"
    assert text == f'metadata.finalizers[0]: Invalid value: "hold": {why}'


def test_dependents_cannot_be_both_orphaned_and_deleted() -> None:
    (text,) = refused(NODES, node(finalizers=["orphan", "foregroundDeletion"]))
    assert "cannot be both set" in text


def test_only_one_owner_is_the_controller() -> None:
    owners = [
        {"apiVersion": "v1", "kind": kind, "name": name, "uid": name, "controller": True}
        for kind, name in (("A", "x"), ("B", "y"))
    ]
    (text,) = refused(NODES, node(ownerReferences=owners))
    assert text.endswith('Found "true" in references for A/x and B/y')


def test_an_event_owns_nothing() -> None:
    owner = {"apiVersion": "v1", "kind": "Event", "name": "x", "uid": "u"}
    (text,) = refused(NODES, node(ownerReferences=[owner]))
    assert text.endswith("/v1, Kind=Event is disallowed from being an owner")


def test_a_terminating_object_takes_no_new_finalizers() -> None:
    old = accepted(CONFIGMAPS, {"metadata": {"finalizers": ["a.b/c"]}})
    old["metadata"]["deletionTimestamp"] = "2018-01-01T00:00:00Z"
    _, wrong = update(CONFIGMAPS, old, changed(old, metadata={"finalizers": ["a.b/c", "d.e/f"]}))
    why = "no new finalizers can be added if the object is being deleted, found new finalizers"
    assert wrong == 2 * [f'metadata.finalizers: Forbidden: {why} []string{{"d.e/f"}}']
    assert not update(CONFIGMAPS, old, changed(old, metadata={"finalizers": None}))[1]


def test_a_uid_does_not_change() -> None:
    old = accepted(CONFIGMAPS, {})
    _, wrong = update(CONFIGMAPS, old, changed(old, metadata={"uid": "other"}))
    assert wrong == 2 * ['metadata.uid: Invalid value: "other": field is immutable']


def test_a_node_lists_a_bad_label_as_often_as_the_real_server_checks_it() -> None:
    old = accepted(NODES, node())
    _, wrong = update(NODES, old, changed(old, metadata={"labels": {"bad key": "v"}}))
    assert len(wrong) == 4
