"""Container images: whether a container's image can be had at all.

Only the Docker runtime pulls images, and says itself what it cannot have. For the others an image is on the node
already, unless its registry is below `.invalid`, a domain that never resolves (RFC 6761), so that it cannot be pulled.

Source: kubelet 1.36 `images/image_manager.go` (`EnsureImageExists`).
"""

from __future__ import annotations

import re
from typing import Final

from refimpl.api.errors import Object
from refimpl.kubelet.runtime.base import StartFailure

_PART: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
_REFERENCE: Final = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?{_PART}(?:/{_PART})*(?::[\w][\w.-]{{0,127}})?(?:@[a-z0-9+._-]+:[0-9a-f]{{32,}})?"
)


def refusal(spec: Object) -> StartFailure | None:
    """Why a container's image cannot be used; None when it can.

    Args:
        spec: the container's entry in the pod's spec.
    """
    image = spec.get("image", "")
    match = _REFERENCE.fullmatch(image)
    if match is None:
        text = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": invalid reference'
        return StartFailure("InvalidImageName", text)
    if is_present(match["domain"] or ""):
        return None
    if spec.get("imagePullPolicy") == "Never":
        text = f'Container image "{image}" is not present with pull policy of Never'
        return StartFailure("ErrImageNeverPull", text)
    return StartFailure("ErrImagePull", f'failed to pull image "{image}": lookup {match["domain"]}: no such host')


def is_present(domain: str) -> bool:
    """Whether images of a registry are on the node."""
    return not domain.partition(":")[0].endswith(".invalid")
