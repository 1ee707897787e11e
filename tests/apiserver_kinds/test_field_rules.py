"""Rules for single fields: each row is a value and the sentence that refuses it."""

from __future__ import annotations

import pytest

from refimpl.api.errors import Object
from refimpl.api.resources import (
    ENDPOINTS,
    ENDPOINTSLICES,
    LIMITRANGES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    RESOURCEQUOTAS,
    SERVICES,
    Resource,
)
from tests.apiserver_kinds.support import accepted, changed, container, named, pod, refused, update

ENV = "spec.containers[0].env[0].valueFrom"
MOUNTS = "spec.containers[0].volumeMounts"


def variable(**source: object) -> Object:
    return container(env=[{"name": "A", "valueFrom": source}])


def volume(**source: object) -> Object:
    return pod(volumes=[{"name": "v", **source}])


def projected(**source: object) -> Object:
    return volume(projected={"sources": [source]})


def sysctls(*names: str) -> Object:
    return pod(securityContext={"sysctls": [{"name": name, "value": "1"} for name in names]})


def mounted(propagation: str, **more: object) -> Object:
    mount = {"name": "v", "mountPath": "/v", "mountPropagation": propagation}
    spec = container(volumeMounts=[mount], **more)["spec"]
    return {"spec": {**spec, "volumes": [{"name": "v", "emptyDir": {}}]}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            variable(fieldRef={"fieldPath": "status.podIP", "apiVersion": "v2"}),
            (
                f'{ENV}.fieldRef.fieldPath: Invalid value: "status.podIP": error converting fieldPath: '
                "unsupported pod version: v2"
            ),
        ),
        (variable(resourceFieldRef={}), f"{ENV}.resourceFieldRef.resource: Required value"),
        (
            variable(resourceFieldRef={"resource": "limits.gpu"}),
            (
                f'{ENV}.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", '
                '"limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", '
                '"requests.memory"'
            ),
        ),
        (
            variable(resourceFieldRef={"resource": "limits.cpu", "divisor": "2"}),
            (
                f'{ENV}.resourceFieldRef.divisor: Invalid value: "limits.cpu": '
                "only divisor's values 1m and 1 are supported with the cpu resource"
            ),
        ),
        (container(envFrom=[{"secretRef": {}}]), "spec.containers[0].envFrom[0].secretRef.name: Required value"),
        (sysctls("kernel.a", "kernel.a"), 'spec.securityContext.sysctls[1].name: Duplicate value: "kernel.a"'),
        (sysctls(""), "spec.securityContext.sysctls[0].name: Required value"),
        (
            volume(configMap={"name": "c", "items": [{"key": "k", "path": "..x"}]}),
            "spec.volumes[0].configMap.items[0].path: Invalid value: \"..x\": must not start with '..'",
        ),
        (
            volume(configMap={"name": "c", "items": [{"key": "k", "path": "x", "mode": 512}]}),
            (
                "spec.volumes[0].configMap.items[0].mode: Invalid value: 512: "
                "must be a number between 0 and 0777 (octal), both inclusive"
            ),
        ),
        (
            projected(secret={"name": "s"}, configMap={"name": "c"}),
            "spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type",
        ),
        (
            volume(downwardAPI={"items": [{"path": "p", "resourceFieldRef": {"resource": "limits.cpu"}}]}),
            "spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value",
        ),
        (
            volume(nfs={"server": "s", "path": "p"}),
            'spec.volumes[0].nfs.path: Invalid value: "p": must be an absolute path',
        ),
        (volume(ephemeral={}), "spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"),
        (
            mounted("Twice"),
            (
                f'{MOUNTS}.mountPropagation: Unsupported value: "Twice": '
                'supported values: "Bidirectional", "HostToContainer", "None"'
            ),
        ),
        (
            mounted("Bidirectional"),
            (
                f"{MOUNTS}.mountPropagation: Forbidden: "
                "Bidirectional mount propagation is available only to privileged containers"
            ),
        ),
    ],
)
def test_a_pod_is_refused_with_one_sentence(body: Object, said: str) -> None:
    assert refused(PODS, body) == [said]


def test_a_short_lived_token_is_refused() -> None:
    body = projected(serviceAccountToken={"path": "t", "expirationSeconds": 5})
    body["spec"]["serviceAccountName"] = "s"
    path = "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds"
    assert refused(PODS, body) == [f"{path}: Invalid value: 5: may not specify a duration less than 10 minutes"]


def test_two_sources_do_not_make_the_same_file() -> None:
    items = [{"key": "k", "path": "same"}]
    sources = [{"secret": {"name": "s", "items": items}}, {"configMap": {"name": "c", "items": items}}]
    said = 'spec.volumes[0].projected: Invalid value: "c": conflicting duplicate paths'
    assert refused(PODS, volume(projected={"sources": sources})) == [said]


def test_a_privileged_container_propagates_both_ways() -> None:
    accepted(PODS, mounted("Bidirectional", securityContext={"privileged": True}))


def test_the_api_version_of_an_owner_has_one_slash() -> None:
    owner = {"apiVersion": "a/b/c", "kind": "K", "name": "n", "uid": "u"}
    said = 'metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty'
    assert said in refused(NODES, {"metadata": {"ownerReferences": [owner]}})


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("169.254.1.1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        ("224.0.0.1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
        ("0.0.0.0", "may not be unspecified (0.0.0.0)"),
    ],
)
def test_traffic_is_not_sent_to_special_addresses(address: str, why: str) -> None:
    said = f'Invalid value: "{address}": {why}'
    ports = [{"port": 80}]
    endpoints = {"subsets": [{"addresses": [{"ip": address}], "ports": ports}]}
    assert refused(ENDPOINTS, endpoints) == [f"subsets[0].addresses[0].ip: {said}"]
    slice_ = {"addressType": "IPv4", "endpoints": [{"addresses": [address]}], "ports": ports}
    assert refused(ENDPOINTSLICES, slice_) == [f"endpoints[0].addresses[0]: {said}"]
    service = {"spec": {"ports": ports, "externalIPs": [address]}}
    assert refused(SERVICES, service) == [f"spec.externalIPs[0]: {said}"]


def test_an_address_names_a_node_that_can_be() -> None:
    subset = {"addresses": [{"ip": "10.0.0.1", "nodeName": "Bad_"}], "ports": [{"port": 80, "appProtocol": "x y"}]}
    said = [text.partition(":")[0] for text in refused(ENDPOINTS, {"subsets": [subset]})]
    assert said == ["subsets[0].addresses[0].nodeName", "subsets[0].ports[0].appProtocol"]


@pytest.mark.parametrize("key", ["podIPs", "hostIPs"])
def test_a_pod_has_one_address_of_each_family(key: str) -> None:
    old = accepted(PODS, pod())
    two = changed(old, status={key: [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], key[:-1]: "10.0.0.1"})
    shown = '[{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]'
    assert update(PODS, old, two, "status")[1] == [
        f"status.{key}: Invalid value: {shown}: may specify no more than one IP for each IP family"
    ]
    both = changed(old, status={key: [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], key[:-1]: "10.0.0.1"})
    assert update(PODS, old, both, "status")[1] == []


async def test_a_volume_has_a_mode_and_a_class_that_can_be() -> None:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    said = refused(PERSISTENTVOLUMES, {"spec": {**spec, "volumeMode": "Tape", "storageClassName": "Bad_"}})
    assert [text.partition(":")[0] for text in said] == ["spec.storageClassName", "spec.volumeMode"]


def claim(resource: Resource = PERSISTENTVOLUMECLAIMS) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return accepted(resource, named(resource, {"spec": spec}))


def test_a_changed_claim_is_checked_twice() -> None:
    old = claim()
    said = update(PERSISTENTVOLUMECLAIMS, old, changed(old, spec={"accessModes": None}))[1]
    assert said[:2] == ["spec.accessModes: Required value: at least 1 access mode is required"] * 2


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"hard": {"pods": "-1"}}, 'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0'),
        ({"hard": {"pods": "1.5"}}, 'spec.hard[pods]: Invalid value: "1500m": must be an integer'),
        (
            {"hard": {"storage": "1"}},
            'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota',
        ),
        ({"scopes": ["Bad"]}, 'spec.scopes: Invalid value: ["Bad"]: unsupported scope'),
        (
            {"scopes": ["BestEffort", "NotBestEffort"]},
            'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
        ),
    ],
)
def test_a_quota_is_refused_with_one_sentence(spec: Object, said: str) -> None:
    assert refused(RESOURCEQUOTAS, {"spec": spec}) == [said]


def test_the_scopes_of_a_quota_are_fixed() -> None:
    old = accepted(RESOURCEQUOTAS, {"spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}})
    said = update(RESOURCEQUOTAS, old, changed(old, spec={"scopes": None}))[1]
    assert said == ["spec.scopes: Invalid value: null: field is immutable"]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (
            {"type": "Bad"},
            ['spec.limits[0].type: Invalid value: "Bad": must be a standard limit type or fully qualified'],
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "2"}},
            ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
        ),
        (
            {"type": "Pod", "default": {"cpu": "1"}},
            ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
        ),
        (
            {"type": "PersistentVolumeClaim"},
            [
                (
                    "spec.limits[0].limits: Required value: "
                    "either minimum or maximum storage value is required, but neither was provided"
                )
            ],
        ),
        (
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "0.5"}},
            ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
        ),
    ],
)
def test_a_limit_is_refused_with_one_sentence(limit: Object, said: list[str]) -> None:
    assert refused(LIMITRANGES, {"spec": {"limits": [limit]}}) == said


def test_each_sort_of_thing_is_limited_once() -> None:
    body = {"spec": {"limits": [{"type": "Pod"}, {"type": "Pod"}]}}
    assert refused(LIMITRANGES, body) == ['spec.limits[1].type: Duplicate value: "Pod"']
