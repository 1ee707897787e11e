"""Admission: what the server adds to a write, and what it refuses."""

from __future__ import annotations

import pytest

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import (
    CONFIGMAPS,
    LEASES,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    PRIORITYCLASSES,
    RUNTIMECLASSES,
    STORAGECLASSES,
    Resource,
)
from refimpl.apiserver import admission
from refimpl.apiserver.settings import Settings
from tests.apiserver_kinds.support import Stored, accepted, context, named, pod, stored

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


def admitted(resource: Resource, body: Object, reader: Stored | None = None, **options: object) -> Object:
    obj = named(resource, body)
    admission.admit(context(resource, reader=reader, **options), None, obj)  # type: ignore[arg-type]
    return obj


def refusal(resource: Resource, body: Object, reader: Stored | None = None) -> ApiError:
    with pytest.raises(ApiError) as caught:
        admitted(resource, body, reader)
    return caught.value


def seconds(made: Object) -> dict[str, int | None]:
    return {
        toleration.get("key", ""): toleration.get("tolerationSeconds") for toleration in made["spec"]["tolerations"]
    }


def test_every_pod_tolerates_a_failing_node_for_five_minutes() -> None:
    assert seconds(accepted(PODS, pod())) == {NOT_READY: 300, UNREACHABLE: 300}


def test_the_operator_chooses_for_how_long() -> None:
    settings = Settings(default_not_ready_toleration_seconds=30, default_unreachable_toleration_seconds=20)
    assert seconds(admitted(PODS, pod(), settings=settings)) == {NOT_READY: 30, UNREACHABLE: 20}


@pytest.mark.parametrize(
    ("own", "added"),
    [
        ({"key": NOT_READY, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}, {UNREACHABLE}),
        ({"key": UNREACHABLE, "operator": "Exists"}, {NOT_READY}),
        ({"key": NOT_READY, "operator": "Equal", "value": "x", "effect": "NoExecute"}, {UNREACHABLE}),
        ({"key": NOT_READY, "operator": "Exists", "effect": "NoSchedule"}, {NOT_READY, UNREACHABLE}),
        ({"operator": "Exists", "effect": "NoSchedule"}, {NOT_READY, UNREACHABLE}),
        ({"operator": "Exists", "effect": "NoExecute"}, set()),
        ({"operator": "Exists"}, set()),
        ({"key": "dedicated", "operator": "Exists"}, {NOT_READY, UNREACHABLE}),
    ],
)
def test_each_default_is_left_out_when_the_pod_speaks_of_it(own: Object, added: set[str]) -> None:
    first, *rest = admitted(PODS, pod(tolerations=[own]))["spec"]["tolerations"]
    assert first == own
    assert {toleration["key"] for toleration in rest} == added


def test_subresources_get_no_tolerations() -> None:
    assert "tolerations" not in admitted(PODS, pod(), subresource="status")["spec"]


def test_a_pod_without_class_has_priority_zero() -> None:
    spec = admitted(PODS, pod())["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert "priorityClassName" not in spec


def test_a_class_gives_its_priority() -> None:
    reader = stored((PRIORITYCLASSES, {"metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"}))
    spec = admitted(PODS, pod(priorityClassName="high"), reader)["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")


def test_a_default_class_is_for_pods_that_name_none() -> None:
    reader = stored((PRIORITYCLASSES, {"metadata": {"name": "dflt"}, "value": 10, "globalDefault": True}))
    spec = admitted(PODS, pod(), reader)["spec"]
    assert (spec["priority"], spec["priorityClassName"]) == (10, "dflt")
    error = refusal(PRIORITYCLASSES, {"value": 1, "globalDefault": True}, reader)
    assert error.message.endswith("PriorityClass dflt is already marked as default. Only one default can exist")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priorityClassName": "none"}, "no PriorityClass with name none was found"),
        (
            {"priority": 5},
            (
                "the integer value of priority (5) must not be provided in pod spec; priority admission controller "
                "computed 0 from the given PriorityClass name"
            ),
        ),
        (
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
    ],
)
def test_a_pod_cannot_claim_what_its_classes_do_not_give(spec: Object, why: str) -> None:
    error = refusal(PODS, pod(**spec))
    assert (error.code, error.message) == (403, f'pods "x" is forbidden: {why}')


def test_an_update_keeps_the_priority_that_old_clients_do_not_know() -> None:
    old, new = accepted(PODS, pod()), named(PODS, pod())
    admission.admit(context(PODS, "UPDATE"), old, new)
    assert new["spec"]["priority"] == 0


def test_a_runtime_class_brings_overhead_and_scheduling() -> None:
    scheduling = {"nodeSelector": {"kata": "yes"}, "tolerations": [{"key": "kata", "operator": "Exists"}]}
    row = {"metadata": {"name": "kata"}, "overhead": {"podFixed": {"cpu": "250m"}}, "scheduling": scheduling}
    spec = admitted(PODS, pod(runtimeClassName="kata"), stored((RUNTIMECLASSES, row)))["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == ({"cpu": "250m"}, {"kata": "yes"})
    assert scheduling["tolerations"][0] in spec["tolerations"]
    assert (
        "conflict: runtimeClass.scheduling.nodeSelector[kata] = yes"
        in refusal(
            PODS, pod(runtimeClassName="kata", nodeSelector={"kata": "no"}), stored((RUNTIMECLASSES, row))
        ).message
    )


def test_only_the_creation_of_a_node_taints_it() -> None:
    node = named(NODES, {})
    admission.admit(context(NODES, "UPDATE"), node, node)
    assert "spec" not in node
    assert admitted(NODES, {})["spec"]["taints"] == [{"key": NOT_READY, "effect": "NoSchedule"}]


def test_nothing_is_created_in_a_namespace_that_is_not_there() -> None:
    error = refusal(LEASES, {}, Stored())
    assert (error.code, error.message) == (404, 'namespaces "default" not found')


def test_nothing_is_created_in_a_namespace_that_goes() -> None:
    dying = {"metadata": {"name": "default"}, "status": {"phase": "Terminating"}}
    error = refusal(CONFIGMAPS, {}, stored((NAMESPACES, dying)))
    why = "unable to create new content in namespace default because it is being terminated"
    assert (error.code, error.message) == (403, f'configmaps "x" is forbidden: {why}')
    assert error.status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    admission.admit(context(CONFIGMAPS, "UPDATE", reader=stored((NAMESPACES, dying))), {}, {})


@pytest.mark.parametrize(
    ("resource", "name", "stays"),
    [
        (NAMESPACES, "default", True),
        (NAMESPACES, "kube-system", True),
        (NAMESPACES, "kube-node-lease", False),
        (PRIORITYCLASSES, "system-node-critical", True),
        (PRIORITYCLASSES, "mine", False),
    ],
)
def test_what_belongs_to_the_system_stays(resource: Resource, name: str, stays: bool) -> None:
    ctx = context(resource, "DELETE", name=name)
    if stays:
        with pytest.raises(ApiError, match="forbidden"):
            admission.admit(ctx, {}, None)
    else:
        admission.admit(ctx, {}, None)


def test_storage_in_use_is_protected_only_where_somebody_lifts_it() -> None:
    assert "finalizers" not in admitted(PERSISTENTVOLUMECLAIMS, {"spec": {}})["metadata"]
    made = admitted(PERSISTENTVOLUMECLAIMS, {"spec": {}}, settings=Settings(protect_storage=True))
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


def test_a_claim_without_class_gets_the_newest_default_one() -> None:
    def storage_class(name: str, created: str) -> Object:
        marked = {"storageclass.kubernetes.io/is-default-class": "true"}
        return {"metadata": {"name": name, "annotations": marked, "creationTimestamp": created}}

    reader = stored(
        (STORAGECLASSES, storage_class("old", "2017-01-01T00:00:00Z")),
        (STORAGECLASSES, storage_class("new", "2018-01-01T00:00:00Z")),
    )
    assert admitted(PERSISTENTVOLUMECLAIMS, {"spec": {}}, reader)["spec"]["storageClassName"] == "new"
    assert (
        admitted(PERSISTENTVOLUMECLAIMS, {"spec": {"storageClassName": ""}}, reader)["spec"]["storageClassName"] == ""
    )
