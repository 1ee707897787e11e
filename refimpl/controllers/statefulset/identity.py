"""What makes the pods of a StatefulSet individuals: ordinal, name, host name, volumes.

Source: kube-controller-manager 1.36 `stateful_set_utils.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from refimpl.api.errors import Object
from refimpl.api.meta import labels
from refimpl.controllers.workloads.podcontrol import pod_of
from refimpl.controllers.workloads.revisions import HASH_LABEL, template_of

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


def ordinals(statefulset: Object) -> range:
    """The ordinals that the StatefulSet wants."""
    spec = statefulset["spec"]
    first = int((spec.get("ordinals") or {}).get("start", 0))
    return range(first, first + (1 if spec.get("replicas") is None else int(spec["replicas"])))


def ordinal_of(statefulset: Object, pod: Object) -> int | None:
    """The ordinal in the pod's name; None when the name is not of this StatefulSet."""
    parent, _, number = str(pod["metadata"]["name"]).rpartition("-")
    return int(number) if parent == statefulset["metadata"]["name"] and number.isdigit() else None


def pod_name(statefulset: Object, ordinal: int) -> str:
    """`NAME-ORDINAL`."""
    return f"{statefulset['metadata']['name']}-{ordinal}"


def claim_name(statefulset: Object, claim: Object, ordinal: int) -> str:
    """The name of the claim that one pod gets of a claim template."""
    return f"{claim['metadata']['name']}-{pod_name(statefulset, ordinal)}"


def new_pod(statefulset: Object, ordinal: int, revision: Object) -> Object:
    """The pod of an ordinal, by the template that a revision keeps."""
    template = template_of(revision)
    pod = pod_of(template, statefulset)
    name = pod_name(statefulset, ordinal)
    metadata = pod["metadata"]
    metadata["name"] = name
    metadata["labels"] = {
        **labels(template),
        POD_NAME_LABEL: name,
        POD_INDEX_LABEL: str(ordinal),
        HASH_LABEL: revision["metadata"]["name"],
    }
    spec: dict[str, Any] = {**template["spec"], "hostname": name}
    if statefulset["spec"].get("serviceName"):
        spec["subdomain"] = statefulset["spec"]["serviceName"]
    volumes = _volumes(statefulset, ordinal, spec.get("volumes") or ())
    if volumes:
        spec["volumes"] = volumes
    pod["spec"] = spec
    return pod


def _volumes(statefulset: Object, ordinal: int, given: Iterable[Object]) -> list[Object]:
    """The template's volumes; those of claim templates take the place of others of their name."""
    claims = statefulset["spec"].get("volumeClaimTemplates") or ()
    own = [
        {
            "name": claim["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": claim_name(statefulset, claim, ordinal)},
        }
        for claim in claims
    ]
    names = {volume["name"] for volume in own}
    return [*own, *(volume for volume in given if volume["name"] not in names)]


def claims_of(statefulset: Object, ordinal: int) -> list[Object]:
    """The PersistentVolumeClaims of one pod; they outlive it."""
    made: list[Object] = []
    for template in statefulset["spec"].get("volumeClaimTemplates") or ():
        metadata = {**template["metadata"], "name": claim_name(statefulset, template, ordinal)}
        metadata["namespace"] = statefulset["metadata"]["namespace"]
        metadata["labels"] = {
            **(template["metadata"].get("labels") or {}),
            **(statefulset["spec"]["selector"].get("matchLabels") or {}),
        }
        made.append(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
        )
    return made
