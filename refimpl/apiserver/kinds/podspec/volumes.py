"""Defaults of the volumes of a pod spec, and of persistent volumes where they are alike.

Source: kube-apiserver 1.36 `pkg/apis/core/v1` defaults.
"""

from __future__ import annotations

from refimpl.api.errors import Object
from refimpl.apiserver.kinds import quantities
from refimpl.apiserver.kinds.podspec import images, references

FILE_MODE = 0o644
TOKEN_SECONDS = 3600


def set_defaults(volume: Object) -> None:
    """Fills in a volume of a pod spec; one without source is an empty directory."""
    sources = [key for key, value in volume.items() if key != "name" and value is not None]
    if not sources:
        volume["emptyDir"] = {}
    for key in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(key) is not None:
            volume[key].setdefault("defaultMode", FILE_MODE)
    _downward_items((volume.get("downwardAPI") or {}).get("items"))
    for projection in (volume.get("projected") or {}).get("sources") or []:
        _projection(projection)
    set_source_defaults(volume)
    image = volume.get("image")
    if image is not None and not image.get("pullPolicy"):
        image["pullPolicy"] = images.default_pull_policy(image.get("reference", ""))
    quantities.canonicalize_one(volume.get("emptyDir") or {}, "sizeLimit")
    template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if template is not None:
        set_claim_spec_defaults(template.setdefault("spec", {}))


def _downward_items(items: list[Object] | None) -> None:
    for item in items or []:
        references.field_reference(item.get("fieldRef"))
        references.resource_reference(item.get("resourceFieldRef"))


def _projection(projection: Object) -> None:
    _downward_items((projection.get("downwardAPI") or {}).get("items"))
    token = projection.get("serviceAccountToken")
    if token is not None:
        token.setdefault("expirationSeconds", TOKEN_SECONDS)


_SOURCE_DEFAULTS: dict[str, Object] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def set_source_defaults(source: Object) -> None:
    """Fills in the sources that pods and persistent volumes have in common."""
    for key, values in _SOURCE_DEFAULTS.items():
        if source.get(key) is not None:
            for name, value in values.items():
                source[key].setdefault(name, value)


def set_claim_spec_defaults(spec: Object) -> None:
    """Fills in a PersistentVolumeClaim's spec."""
    spec.setdefault("volumeMode", "Filesystem")
    quantities.canonicalize(spec.setdefault("resources", {}), "limits", "requests")
