"""What belongs to a node: its pods, and through them what they need.

An index of pods by node is kept up to date with every change of a pod; what a pod refers to is read when it is first
asked for. Volumes and claims are looked up, they are few.

Source: kube-apiserver 1.36 `plugin/pkg/auth/authorizer/node/graph.go`, `pkg/api/v1/pod/util.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from refimpl.api.errors import Object
from refimpl.api.resources import PERSISTENTVOLUMES, PODS, RESOURCESLICES, VOLUMEATTACHMENTS
from refimpl.apiserver.objects.broadcast import NODE_FIELD
from refimpl.apiserver.objects.cache import Change, Entry, Key
from refimpl.apiserver.objects.registry import Registry

MIRROR: Final = "kubernetes.io/config.mirror"
Reference = tuple[str, str]
"""Plural and name of something in the pod's namespace."""

_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")


class NodeGraph:
    """Relations between nodes and objects.

    Args:
        registry: stored objects.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._pods: dict[str, dict[Key, Entry]] = {}
        self._references: dict[Key, tuple[int, frozenset[Reference]]] = {}
        for entry in registry.entries(PODS):
            self._add(entry)
        registry.follow(PODS, self._changed)

    def _changed(self, change: Change) -> None:
        if change.old is not None:
            self._pods.get(change.old.fields.get(NODE_FIELD, ""), {}).pop(change.key, None)
        if change.new is not None:
            self._add(change.new)
        else:
            self._references.pop(change.key, None)

    def _add(self, entry: Entry) -> None:
        node = entry.fields.get(NODE_FIELD, "")
        if node:
            self._pods.setdefault(node, {})[entry.key] = entry

    def has_pod(self, node: str, namespace: str, name: str) -> bool:
        """Whether a pod is bound to a node."""
        return (namespace, name) in self._pods.get(node, {})

    def needs(self, node: str, kind: str, namespace: str, name: str) -> bool:
        """Whether a pod of a node refers to something in its namespace."""
        wanted = (kind, name)
        return any(wanted in self._references_of(entry) for entry in self._pods_of(node, namespace))

    def needs_secret(self, node: str, namespace: str, name: str) -> bool:
        """Whether a node has to read a secret, for a pod or to mount a volume that a pod claims."""
        if self.needs(node, "secrets", namespace, name):
            return True
        for volume in self._registry.list(PERSISTENTVOLUMES):
            if (namespace, name) in secrets_of_volume(volume) and self._claimed(node, volume):
                return True
        return False

    def needs_volume(self, node: str, name: str) -> bool:
        """Whether a pod of a node claims a volume."""
        volume = self._registry.get(PERSISTENTVOLUMES, name)
        return volume is not None and self._claimed(node, volume)

    def has_attachment(self, node: str, name: str) -> bool:
        """Whether a VolumeAttachment is for a node."""
        found = self._registry.get(VOLUMEATTACHMENTS, name)
        return found is not None and (found.get("spec") or {}).get("nodeName") == node

    def has_slice(self, node: str, name: str) -> bool:
        """Whether a ResourceSlice is of a node."""
        found = self._registry.get(RESOURCESLICES, name)
        return found is not None and (found.get("spec") or {}).get("nodeName") == node

    def _claimed(self, node: str, volume: Object) -> bool:
        claim = (volume.get("spec") or {}).get("claimRef") or {}
        return self.needs(node, "persistentvolumeclaims", claim.get("namespace", ""), claim.get("name", ""))

    def _pods_of(self, node: str, namespace: str) -> Iterator[Entry]:
        return (entry for key, entry in self._pods.get(node, {}).items() if key[0] == namespace)

    def _references_of(self, entry: Entry) -> frozenset[Reference]:
        known = self._references.get(entry.key)
        if known is not None and known[0] == entry.revision:
            return known[1]
        found = references(self._registry.decode(PODS, entry.item))
        self._references[entry.key] = (entry.revision, found)
        return found


def references(pod: Object) -> frozenset[Reference]:
    """What a pod refers to; a mirror pod, which its node wrote itself, grants nothing."""
    if MIRROR in (pod["metadata"].get("annotations") or {}):
        return frozenset()
    spec = pod.get("spec") or {}
    found: set[Reference] = {("secrets", each.get("name", "")) for each in spec.get("imagePullSecrets") or ()}
    if spec.get("serviceAccountName"):
        found.add(("serviceaccounts", spec["serviceAccountName"]))
    for kind in _CONTAINERS:
        for container in spec.get(kind) or ():
            found.update(_of_container(container))
    for volume in spec.get("volumes") or ():
        found.update(_of_volume(volume, pod["metadata"]["name"]))
    found.update(_claims(pod))
    return frozenset(found)


def _of_container(container: Object) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        yield from _named(source, {"secretRef": "secrets", "configMapRef": "configmaps"})
    for variable in container.get("env") or ():
        keys = {"secretKeyRef": "secrets", "configMapKeyRef": "configmaps"}
        yield from _named(variable.get("valueFrom") or {}, keys)


def _named(source: Object, kinds: Mapping[str, str]) -> Iterator[Reference]:
    for field, kind in kinds.items():
        if source.get(field):
            yield kind, source[field].get("name", "")


_IN_VOLUMES: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    "secret": ("secrets", lambda source: str(source.get("secretName", ""))),
    "configMap": ("configmaps", lambda source: str(source.get("name", ""))),
    "persistentVolumeClaim": ("persistentvolumeclaims", lambda source: str(source.get("claimName", ""))),
    "azureFile": ("secrets", lambda source: str(source.get("secretName", ""))),
    "cephfs": ("secrets", lambda source: _reference_name(source, "secretRef")),
    "cinder": ("secrets", lambda source: _reference_name(source, "secretRef")),
    "flexVolume": ("secrets", lambda source: _reference_name(source, "secretRef")),
    "rbd": ("secrets", lambda source: _reference_name(source, "secretRef")),
    "scaleIO": ("secrets", lambda source: _reference_name(source, "secretRef")),
    "iscsi": ("secrets", lambda source: _reference_name(source, "secretRef")),
    "storageos": ("secrets", lambda source: _reference_name(source, "secretRef")),
    "csi": ("secrets", lambda source: _reference_name(source, "nodePublishSecretRef")),
}


def _reference_name(source: Object, field: str) -> str:
    return str((source.get(field) or {}).get("name", ""))


def _of_volume(volume: Object, pod: str) -> Iterator[Reference]:
    for field, (kind, name) in _IN_VOLUMES.items():
        if volume.get(field):
            yield kind, name(volume[field])
    if volume.get("ephemeral"):
        yield "persistentvolumeclaims", f"{pod}-{volume.get('name', '')}"
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield from _named(source, {"secret": "secrets", "configMap": "configmaps"})


def _claims(pod: Object) -> Iterator[Reference]:
    """The ResourceClaims of a pod, those that were made for it among them."""
    generated = {
        status.get("name"): status.get("resourceClaimName", "")
        for status in (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    }
    for claim in (pod.get("spec") or {}).get("resourceClaims") or ():
        yield "resourceclaims", claim.get("resourceClaimName") or generated.get(claim.get("name"), "")


_ON_VOLUMES: Final = (
    ("cephfs", ("secretRef",)),
    ("cinder", ("secretRef",)),
    ("flexVolume", ("secretRef",)),
    ("rbd", ("secretRef",)),
    ("scaleIO", ("secretRef",)),
    ("iscsi", ("secretRef",)),
    ("storageos", ("secretRef",)),
    ("csi", ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")),
)


def secrets_of_volume(volume: Object) -> set[tuple[str, str]]:
    """Namespace and name of the secrets that a node needs to mount a PersistentVolume."""
    spec = volume.get("spec") or {}
    claimed_in = (spec.get("claimRef") or {}).get("namespace", "")
    found = set(_volume_secrets(spec, claimed_in))
    azure = spec.get("azureFile") or {}
    if azure.get("secretName"):
        found.add((azure.get("secretNamespace") or claimed_in, azure["secretName"]))
    return found


def _volume_secrets(spec: Object, claimed_in: str) -> Iterable[tuple[str, str]]:
    for source, fields in _ON_VOLUMES:
        for field in fields:
            reference = (spec.get(source) or {}).get(field) or {}
            if reference.get("name"):
                yield reference.get("namespace") or claimed_in, reference["name"]
