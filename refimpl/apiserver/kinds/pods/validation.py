"""What is wrong with a pod, beyond its spec.

Source: kube-apiserver 1.36 `pkg/apis/core/validation` (ValidatePodCreate, validatePodMetadataAndSpec).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.kinds.podspec.validation import spec_causes

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
WHITESPACE: Final = "must not have leading or trailing whitespace"


def pod_causes(pod: Object) -> Iterable[Cause]:
    """Rules for a pod as it stands."""
    spec = pod["spec"]
    annotations = pod["metadata"].get("annotations") or {}
    if MIRROR_ANNOTATION in annotations and not spec.get("nodeName"):
        path = f"metadata.annotations[{MIRROR_ANNOTATION}]"
        why = "must set spec.nodeName if mirror pod annotation is set"
        yield causes.invalid(path, annotations[MIRROR_ANNOTATION], why)
    yield from spec_causes(spec, "spec")
    yield from _token_causes(spec)
    for list_name in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(list_name) or []):
            yield from image_causes(container, f"spec.{list_name}[{index}]")


def image_causes(container: Object, path: str) -> Iterable[Cause]:
    """Pods, unlike templates, may not have blanks around an image."""
    image = container.get("image", "")
    if image != image.strip():
        yield causes.invalid(f"{path}.image", image, WHITESPACE)


def _token_causes(spec: Object) -> Iterable[Cause]:
    if spec.get("serviceAccountName"):
        return
    for number, volume in enumerate(spec.get("volumes") or []):
        for index, source in enumerate((volume.get("projected") or {}).get("sources") or []):
            if source.get("serviceAccountToken") is not None:
                path = f"spec.volumes[{number}].projected.sources[{index}].serviceAccountToken"
                yield causes.forbidden(path, "must not be specified when serviceAccountName is not set")


def create_causes(pod: Object) -> Iterable[Cause]:
    """Rules for a new pod."""
    yield from pod_causes(pod)
    spec = pod["spec"]
    if spec.get("ephemeralContainers"):
        yield causes.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("schedulingGates") and spec.get("nodeName"):
        yield causes.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
