"""Defaults of references to fields and resources of the pod itself (downward API).

Source: kube-apiserver 1.36 `pkg/apis/core/v1` defaults.
"""

from __future__ import annotations

from refimpl.api.errors import Object
from refimpl.apiserver.kinds import quantities


def field_reference(reference: Object | None) -> None:
    """A field is one of API version `v1` unless another is named."""
    if reference is not None:
        reference["apiVersion"] = reference.get("apiVersion") or "v1"


def resource_reference(reference: Object | None) -> None:
    """The divisor of a resource is shown even where none is given."""
    if reference is not None:
        reference["divisor"] = reference.get("divisor") or "0"
        quantities.canonicalize_one(reference, "divisor")
