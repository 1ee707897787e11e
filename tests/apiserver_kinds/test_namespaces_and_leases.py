"""Namespaces and leases: the two kinds that heartbeats stand on."""

from __future__ import annotations

import pytest

from refimpl.api.resources import LEASES, NAMESPACES
from refimpl.apiserver.kinds import strategy_for
from tests.apiserver_kinds.support import accepted, changed, context, refused, update

NAMESPACE = strategy_for(NAMESPACES)


def test_a_namespace_is_active_labelled_and_held() -> None:
    made = accepted(NAMESPACES, {"metadata": {"name": "ns", "labels": {"kubernetes.io/metadata.name": "liar"}}})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "ns"}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})


def test_a_namespaces_name_has_no_dots() -> None:
    assert refused(NAMESPACES, {"metadata": {"name": "a.b"}})


def test_only_finalize_lifts_the_finalizers() -> None:
    old = accepted(NAMESPACES, {"metadata": {"name": "ns"}})
    wanted = changed(old, spec={"finalizers": []}, status={"conditions": []})
    assert update(NAMESPACES, old, wanted)[0]["spec"] == old["spec"]
    assert update(NAMESPACES, old, wanted, "status")[0]["spec"] == old["spec"]
    new, wrong = update(NAMESPACES, old, wanted, "finalize")
    assert not wrong
    assert new["spec"]["finalizers"] == []
    assert new["status"] == old["status"]


def test_a_namespace_stays_until_its_finalizers_are_gone() -> None:
    made = accepted(NAMESPACES, {"metadata": {"name": "ns"}})
    assert NAMESPACE.holds_deletion(made)
    assert not NAMESPACE.holds_deletion(changed(made, spec={"finalizers": []}))
    NAMESPACE.mark_terminating(context(NAMESPACES, "DELETE"), made)
    assert made["status"]["phase"] == "Terminating"


def test_the_phase_goes_with_the_deletion() -> None:
    old = accepted(NAMESPACES, {"metadata": {"name": "ns"}})
    assert update(NAMESPACES, old, changed(old, status={"phase": "Terminating"}), "status")[1] == [
        "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
    ]
    going = changed(old, metadata={"deletionTimestamp": "2018-01-01T00:00:00Z"}, status={"phase": "Terminating"})
    assert not update(NAMESPACES, going, going, "status")[1]
    assert update(NAMESPACES, going, changed(going, status={"phase": "Active"}), "status")[1]


def test_a_lease_keeps_microseconds_and_needs_a_version_to_be_renewed() -> None:
    strategy = strategy_for(LEASES)
    spec = {"holderIdentity": "n1", "leaseDurationSeconds": 40, "renewTime": "2017-07-18T09:00:00.000001Z"}
    assert accepted(LEASES, {"spec": dict(spec)})["spec"] == spec
    assert strategy.create_on_update
    assert not strategy.update_without_version


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"leaseDurationSeconds": 0}, "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"),
        (
            {"leaseTransitions": -1},
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
def test_numbers_of_a_lease_make_sense(spec: dict[str, int], text: str) -> None:
    assert refused(LEASES, {"spec": spec}) == [text]
    old = accepted(LEASES, {"spec": {}})
    assert update(LEASES, old, {**old, "spec": spec})[1] == [text]
