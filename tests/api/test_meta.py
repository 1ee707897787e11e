from __future__ import annotations

from refimpl.api import meta

REPLICA_SET = {"metadata": {"name": "rs", "namespace": "ns", "uid": "u1"}}


def owned_by(*references):
    return {"metadata": {"name": "p", "ownerReferences": list(references)}}


def test_absent_parts_read_as_empty():
    assert meta.name({}) == meta.namespace({}) == meta.uid({}) == ""
    assert dict(meta.labels({"metadata": {"labels": None}})) == {}
    assert not meta.is_terminating({})
    assert meta.created({}) is None
    assert meta.controller_of({}) is None
    assert meta.condition({"status": None}, "Ready") is None


def test_keys_name_the_namespace_where_there_is_one():
    assert meta.key(REPLICA_SET) == "ns/rs"
    assert meta.key({"metadata": {"name": "n1"}}) == "n1"


def test_the_controller_is_the_one_owner_that_manages():
    plain = meta.owner_reference(REPLICA_SET, "apps/v1", "ReplicaSet", controller=False)
    managing = meta.owner_reference(REPLICA_SET, "apps/v1", "ReplicaSet")
    assert meta.controller_of(owned_by(plain)) is None
    assert meta.controller_of(owned_by(plain, managing)) == managing
    assert meta.is_controlled_by(owned_by(managing), REPLICA_SET)
    assert not meta.is_controlled_by(owned_by(managing), {"metadata": {"uid": "other"}})


def test_creation_times_are_read():
    created = meta.created({"metadata": {"creationTimestamp": "2018-07-02T02:11:27Z"}})
    assert created is not None
    assert created.isoformat() == "2018-07-02T02:11:27+00:00"


def test_conditions_are_found_by_type():
    node = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    assert meta.condition_status(node, "Ready") == "Unknown"
    assert meta.condition_status(node, "DiskPressure") == ""
    assert not meta.is_true(node, "Ready")


def test_the_transition_time_moves_with_the_status_only():
    conditions = []
    assert meta.set_condition(conditions, {"type": "A", "status": "True", "reason": "x"}, "t1")
    assert not meta.set_condition(conditions, {"type": "A", "status": "True", "reason": "x"}, "t2")
    assert meta.set_condition(conditions, {"type": "A", "status": "True", "reason": "y"}, "t3")
    assert conditions == [{"type": "A", "status": "True", "reason": "y", "lastTransitionTime": "t1"}]
    assert meta.set_condition(conditions, {"type": "A", "status": "False", "reason": "y"}, "t4")
    assert conditions[0]["lastTransitionTime"] == "t4"
