"""The ReplicaSets of a Deployment: which one is new, what it is called, what it carries.

Source: kube-controller-manager 1.36 `deployment_util.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.controllers.workloads.hashing import content_hash
from refimpl.controllers.workloads.owners import controller_reference

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
NOT_INHERITED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
)
_HISTORY_LIMIT = 2000


@attrs.frozen
class Family:
    """A Deployment's ReplicaSets.

    Attributes:
        new: the one of the Deployment's present template, or None.
        old: all others, oldest first.
    """

    new: Object | None
    old: tuple[Object, ...]

    @property
    def all(self) -> tuple[Object, ...]:
        """Old ones and the new one."""
        return self.old if self.new is None else (*self.old, self.new)


def family(deployment: Object, replica_sets: Sequence[Object]) -> Family:
    """Tells the new ReplicaSet from the old ones; among several of the same template the oldest is new."""
    by_age = sorted(replica_sets, key=_age)
    template = deployment["spec"]["template"]
    new = next((one for one in by_age if same_template(one["spec"]["template"], template)), None)
    return Family(new, tuple(one for one in by_age if one is not new))


def same_template(one: Object, other: Object) -> bool:
    """Whether two pod templates describe the same pod, their hash labels aside."""
    return one["spec"] == other["spec"] and _comparable(one) == _comparable(other)


def size(replica_set: Object | None) -> int:
    """`spec.replicas`; 0 for none."""
    return int(replica_set["spec"].get("replicas") or 0) if replica_set is not None else 0


def reported(replica_set: Object | None, field: str) -> int:
    """A count in the ReplicaSet's status; 0 when absent."""
    return int((replica_set.get("status") or {}).get(field) or 0) if replica_set is not None else 0


def annotation_number(obj: Object, name: str) -> int | None:
    """An annotation as a number, or None."""
    text = (obj["metadata"].get("annotations") or {}).get(name, "")
    return int(text) if text.isdigit() else None


def build(deployment: Object, replicas: int, annotations: Mapping[str, str]) -> Object:
    """A new ReplicaSet for the Deployment's present template."""
    spec = deployment["spec"]
    collisions = (deployment.get("status") or {}).get("collisionCount")
    digest = content_hash(spec["template"], collisions)
    template = spec["template"]
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: digest}
    selector = spec["selector"]
    metadata = deployment["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": dict(annotations),
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}},
            "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
        },
    }


def inherited_annotations(deployment: Object, new: Object | None, old: Sequence[Object]) -> dict[str, str]:
    """The annotations of the new ReplicaSet: the Deployment's own, and its revision number with its history.

    Args:
        deployment: the Deployment.
        new: the ReplicaSet as it is, or None when it is yet to be created.
        old: the other ReplicaSets, whose revisions the new one exceeds.
    """
    annotations = dict((new["metadata"].get("annotations") or {}) if new is not None else {})
    own = deployment["metadata"].get("annotations") or {}
    annotations |= {key: value for key, value in own.items() if key not in NOT_INHERITED}
    revision = max((annotation_number(one, REVISION) or 0 for one in old), default=0) + 1
    known = annotations.get(REVISION, "")
    if known and int(known) >= revision:
        return annotations
    annotations[REVISION] = str(revision)
    if known:
        annotations[REVISION_HISTORY] = _append(annotations.get(REVISION_HISTORY, ""), known)
    return annotations


def _append(history: str, revision: str) -> str:
    revisions = [*filter(None, history.split(",")), revision]
    while len(",".join(revisions)) > _HISTORY_LIMIT:
        revisions.pop(0)
    return ",".join(revisions)


def _comparable(template: Object) -> Object:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    rest = {key: value for key, value in metadata.items() if value and key != "labels"}
    return {**rest, "labels": labels}


def _age(replica_set: Object) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp", ""), replica_set["metadata"]["name"]
