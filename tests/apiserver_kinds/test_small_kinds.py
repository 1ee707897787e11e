"""Kinds with a few rules each."""

from __future__ import annotations

import base64

import pytest

from refimpl.api.errors import Object
from refimpl.api.http import ADMIN
from refimpl.api.resources import (
    CERTIFICATESIGNINGREQUESTS,
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    CONFIGMAPS,
    CSIDRIVERS,
    CSINODES,
    ENDPOINTS,
    ENDPOINTSLICES,
    INGRESSCLASSES,
    LIMITRANGES,
    NETWORKPOLICIES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODDISRUPTIONBUDGETS,
    PRIORITYCLASSES,
    ROLEBINDINGS,
    RUNTIMECLASSES,
    SECRETS,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
    Resource,
)
from refimpl.apiserver.kinds import strategy_for
from refimpl.clock import Clock
from tests.apiserver_kinds.support import accepted, changed, refused, update

PEM = base64.b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\n").decode()
SLICE: Object = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]}
VOLUME: Object = {
    "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp"}}
}
CLAIM: Object = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}


def cells(resource: Resource, obj: Object) -> dict[str, object]:
    columns = strategy_for(resource).columns or ()
    return {column.name: column.cell(obj, Clock.virtual()) for column in columns if column.name != "Age"}


@pytest.mark.parametrize(
    ("resource", "body", "fields"),
    [
        (CONFIGMAPS, {"data": {"bad key": "x"}}, ["data[bad key]"]),
        (CONFIGMAPS, {"data": {"k": "x"}, "binaryData": {"k": "eA=="}}, ["data[k]"]),
        (CONFIGMAPS, {"data": {"k": "x" * 1024 * 1024 + "x"}}, ["[]"]),
        (CLUSTERROLES, {"aggregationRule": {}}, ["aggregationRule.clusterRoleSelectors"]),
        (STORAGECLASSES, {"provisioner": "a/b", "parameters": {"": "x"}}, ["parameters"]),
        (CSINODES, {"spec": {"drivers": [{"name": "", "nodeID": "n"}]}}, ["spec.drivers[0].name"] * 2),
        (
            CSINODES,
            {
                "spec": {
                    "drivers": [{"name": "d", "nodeID": "n", "allocatable": {"count": -1}, "topologyKeys": ["a b"]}]
                }
            },
            ["spec.drivers[0].allocatable.count", "spec.drivers[0]"],
        ),
        (CSIDRIVERS, {"spec": {"volumeLifecycleModes": ["Bad"]}}, ["spec.volumeLifecycleModes"]),
        (CSIDRIVERS, {"spec": {"fsGroupPolicy": "Bad"}}, ["spec.fsGroupPolicy"]),
        (CSIDRIVERS, {"spec": {"tokenRequests": [{}, {}]}}, ["spec.tokenRequests[1].audience"]),
        (
            VOLUMEATTACHMENTS,
            {"spec": {"attacher": "d", "source": {}, "nodeName": "N"}},
            ["spec.source", "spec.nodeName"],
        ),
        (INGRESSCLASSES, {"spec": {"controller": "x"}}, ["spec.controller"]),
        (INGRESSCLASSES, {"spec": {}}, ["spec.controller"]),
        (PERSISTENTVOLUMECLAIMS, {"spec": {**CLAIM["spec"], "volumeMode": "x"}}, ["spec.volumeMode"]),
        (SECRETS, {"type": "kubernetes.io/tls"}, ["data[tls.crt]", "data[tls.key]"]),
        (SECRETS, {"type": "kubernetes.io/basic-auth"}, ["data[username]", "data[password]"]),
        (
            SECRETS,
            {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}},
            ["data[.dockerconfigjson]"],
        ),
        (ENDPOINTS, {"subsets": [{}]}, ["subsets[0]"]),
        (ENDPOINTS, {"subsets": [{"addresses": [{"ip": "x"}]}]}, ["subsets[0].addresses[0].ip"] * 2),
        (ENDPOINTSLICES, {**SLICE, "addressType": "IPv9"}, ["addressType"]),
        (ENDPOINTSLICES, {**SLICE, "endpoints": [{"addresses": ["bogus"]}]}, ["endpoints[0].addresses[0]"]),
        (ENDPOINTSLICES, {**SLICE, "endpoints": [{"addresses": []}]}, ["endpoints[0].addresses"]),
        (ENDPOINTSLICES, {**SLICE, "endpoints": [{"addresses": ["fd00::1"]}]}, ["endpoints[0].addresses[0]"]),
        (PERSISTENTVOLUMES, {"spec": {}}, ["spec.accessModes", "spec.capacity", "spec.capacity", "spec"]),
        (PERSISTENTVOLUMECLAIMS, {"spec": {}}, ["spec.accessModes", "spec.resources[storage]"]),
        (PRIORITYCLASSES, {"metadata": {"name": "system-mine"}, "value": 5}, ["metadata.name"]),
        (PRIORITYCLASSES, {"value": 1_000_000_001}, ["value"]),
        (PRIORITYCLASSES, {"value": 1, "preemptionPolicy": "Sometimes"}, ["preemptionPolicy"]),
        (RUNTIMECLASSES, {"handler": "X_y"}, ["handler"]),
        (PODDISRUPTIONBUDGETS, {"spec": {"minAvailable": 1, "maxUnavailable": "10%"}}, ["spec"]),
        (PODDISRUPTIONBUDGETS, {"spec": {"minAvailable": "120%"}}, ["spec.minAvailable"]),
        (CLUSTERROLES, {"rules": [{"verbs": [], "apiGroups": [""], "resources": ["pods"]}]}, ["rules[0].verbs"]),
        (CLUSTERROLEBINDINGS, {"roleRef": {"kind": "Role", "name": "r"}}, ["roleRef.kind"]),
        (
            ROLEBINDINGS,
            {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "Y", "name": "u"}]},
            ["subjects[0].kind"],
        ),
        (STORAGECLASSES, {"provisioner": "a/b", "reclaimPolicy": "Recycle"}, ["reclaimPolicy"]),
        (
            NETWORKPOLICIES,
            {
                "spec": {
                    "podSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]},
                    "ingress": [{"from": [{}], "ports": [{"protocol": "ICMP", "port": 5, "endPort": 4}]}],
                    "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.0.0/8"]}}]}],
                    "policyTypes": ["Sideways"],
                }
            },
            [
                "spec.podSelector.matchExpressions[0].operator",
                "spec.ingress[0].ports[0].protocol",
                "spec.ingress[0].ports[0].endPort",
                "spec.ingress[0].from[0]",
                "spec.egress[0].to[0].ipBlock.except[0]",
                "spec.policyTypes[0]",
            ],
        ),
        (
            CSINODES,
            {"spec": {"drivers": [{"name": "a", "nodeID": "n"}, {"name": "a", "nodeID": "n"}]}},
            ["spec.drivers[1].name"],
        ),
        (CERTIFICATESIGNINGREQUESTS, {"spec": {"request": PEM, "signerName": "a.b/c"}}, ["spec.usages"]),
        (
            CERTIFICATESIGNINGREQUESTS,
            {"spec": {"request": "eA==", "usages": ["client auth"], "signerName": "a/b"}},
            ["spec.request", "spec.signerName"],
        ),
    ],
)
async def test_what_cannot_work_is_refused(resource: Resource, body: Object, fields: list[str]) -> None:
    assert [text.split(": ")[0] for text in refused(resource, body)] == fields


def test_plain_texts_of_a_secret_are_kept_encoded() -> None:
    made = accepted(SECRETS, {"stringData": {"u": "admin"}, "data": {"p": "cGFzcw==", "u": "b2xk"}})
    assert made["data"] == {"p": "cGFzcw==", "u": "YWRtaW4="}
    assert made["type"] == "Opaque"
    assert "stringData" not in made
    assert update(SECRETS, made, {**made, "type": "a/b"})[1] == ['type: Invalid value: "a/b": field is immutable']


@pytest.mark.parametrize("resource", [CONFIGMAPS, SECRETS])
def test_what_is_declared_immutable_stays(resource: Resource) -> None:
    old = accepted(resource, {"data": {"a": "Yg=="}, "immutable": True})
    why = "Forbidden: field is immutable when `immutable` is set"
    assert update(resource, old, {**old, "data": {"a": "Yw=="}})[1] == [f"data: {why}"]
    assert update(resource, old, {**old, "immutable": False})[1] == [f"immutable: {why}"]
    assert not update(resource, old, changed(old, metadata={"labels": {"a": "b"}}))[1]


def test_ports_of_endpoints_are_tcp_and_of_slices_have_a_name() -> None:
    subset = {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}
    made = accepted(ENDPOINTS, {"subsets": [subset]})
    assert made["subsets"][0]["ports"] == [{"port": 80, "protocol": "TCP"}]
    assert accepted(ENDPOINTSLICES, SLICE)["ports"] == [{"port": 80, "protocol": "TCP", "name": ""}]


def test_rows_list_three_endpoints() -> None:
    hosts = [{"ip": f"10.0.0.{index}"} for index in range(1, 5)]
    made = accepted(ENDPOINTS, {"subsets": [{"addresses": hosts, "ports": [{"port": 80}]}]})
    assert cells(ENDPOINTS, made)["Endpoints"] == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more..."
    assert cells(ENDPOINTS, accepted(ENDPOINTS, {}))["Endpoints"] == "<none>"
    assert cells(ENDPOINTSLICES, accepted(ENDPOINTSLICES, SLICE))["Ports"] == "80"


def test_the_address_type_of_a_slice_is_fixed() -> None:
    old = accepted(ENDPOINTSLICES, SLICE)
    assert update(ENDPOINTSLICES, old, {**old, "addressType": "IPv6"})[1] == [
        'addressType: Invalid value: "IPv6": field is immutable'
    ]


def test_the_value_of_a_priority_class_is_fixed() -> None:
    old = accepted(PRIORITYCLASSES, {"value": 5})
    assert old["preemptionPolicy"] == "PreemptLowerPriority"
    assert update(PRIORITYCLASSES, old, {**old, "value": 6})[1] == [
        "value: Forbidden: may not be changed in an update."
    ]
    assert not update(PRIORITYCLASSES, old, {**old, "description": "x"})[1]


async def test_a_volume_shows_where_it_may_not_change() -> None:
    old = accepted(PERSISTENTVOLUMES, VOLUME)
    assert old["spec"]["hostPath"] == {"path": "/tmp", "type": ""}
    _, (text,) = update(PERSISTENTVOLUMES, old, changed(old, spec={"hostPath": {"path": "/other", "type": ""}}))
    assert text.startswith(
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@ -2,7 "
    )
    assert '\n-  "Path": "/tmp",\n+  "Path": "/other",\n' in text


def test_a_claim_grows_only_once_it_is_bound() -> None:
    old = accepted(PERSISTENTVOLUMECLAIMS, CLAIM)
    larger = changed(old, spec={"resources": {"requests": {"storage": "2Gi"}}})
    assert update(PERSISTENTVOLUMECLAIMS, old, larger)[1]
    bound = changed(old, status={"phase": "Bound", "capacity": {"storage": "1Gi"}}, spec={"volumeName": "v"})
    assert not update(PERSISTENTVOLUMECLAIMS, bound, changed(bound, spec=larger["spec"]))[1]
    smaller = changed(bound, spec={"resources": {"requests": {"storage": "1Mi"}}})
    assert update(PERSISTENTVOLUMECLAIMS, bound, smaller)[1] == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


def test_limits_of_containers_imply_each_other() -> None:
    item = {"type": "Container", "max": {"cpu": "1000m"}, "min": {"memory": "1Mi"}}
    (made,) = accepted(LIMITRANGES, {"spec": {"limits": [item]}})["spec"]["limits"]
    assert made["default"] == {"cpu": "1"}
    assert made["defaultRequest"] == {"cpu": "1", "memory": "1Mi"}


def test_a_role_reference_is_fixed_and_gets_its_group() -> None:
    old = accepted(
        ROLEBINDINGS, {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]}
    )
    assert old["roleRef"]["apiGroup"] == old["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io"
    assert update(ROLEBINDINGS, old, changed(old, roleRef={"name": "q"}))[1][-1].endswith(": cannot change roleRef")
    assert not refused(CLUSTERROLES, {"metadata": {"name": "system:node"}})


def test_a_certificate_request_notes_who_asks_and_keeps_decisions() -> None:
    spec = {"request": PEM, "signerName": "a.b/c", "usages": ["client auth"], "username": "somebody-else"}
    old = accepted(CERTIFICATESIGNINGREQUESTS, {"spec": spec})
    assert old["spec"]["username"] == ADMIN.name
    assert cells(CERTIFICATESIGNINGREQUESTS, old)["Condition"] == "Pending"


async def test_approval_and_status_write_different_parts() -> None:
    spec = {"request": PEM, "signerName": "a.b/c", "usages": ["client auth"]}
    old = accepted(CERTIFICATESIGNINGREQUESTS, {"spec": spec})
    decided = changed(old, status={"conditions": [{"type": "Approved", "reason": "x"}], "certificate": "eA=="})
    new, wrong = update(CERTIFICATESIGNINGREQUESTS, old, decided, "approval")
    assert not wrong
    assert "certificate" not in new["status"]
    assert new["status"]["conditions"][0]["lastTransitionTime"]
    issued, wrong = update(
        CERTIFICATESIGNINGREQUESTS, new, changed(new, status={"conditions": None, "certificate": "eA=="}), "status"
    )
    assert not wrong
    assert cells(CERTIFICATESIGNINGREQUESTS, issued)["Condition"] == "Approved,Issued"
    both = [*new["status"]["conditions"], {"type": "Denied"}]
    assert update(CERTIFICATESIGNINGREQUESTS, new, changed(new, status={"conditions": both}), "approval")[1]


def test_what_storage_drivers_and_attachments_were_made_for_is_fixed() -> None:
    driver = accepted(CSIDRIVERS, {"spec": {}})
    assert not update(CSIDRIVERS, driver, changed(driver, spec={"podInfoOnMount": True}))[1]
    assert update(CSIDRIVERS, driver, changed(driver, spec={"attachRequired": False}))[1]
    spec = {"attacher": "d", "source": {"persistentVolumeName": "v"}, "nodeName": "n"}
    attachment = accepted(VOLUMEATTACHMENTS, {"spec": spec})
    assert update(VOLUMEATTACHMENTS, attachment, changed(attachment, spec={"nodeName": "m"}))[1]
    ingress_class = accepted(INGRESSCLASSES, {"spec": {"controller": "a.b/c"}})
    assert update(INGRESSCLASSES, ingress_class, changed(ingress_class, spec={"controller": "a.b/d"}))[1]
