"""Defaults of Node.

Source: kube-apiserver 1.36 `pkg/apis/core/v1` (defaults and conversion).
"""

from __future__ import annotations

from refimpl.api.errors import Object
from refimpl.apiserver.kinds import quantities

_NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)


def set_defaults(node: Object) -> None:
    """Fills in a node on every write."""
    spec = node.setdefault("spec", {})
    status = node.setdefault("status", {})
    quantities.canonicalize(status, "capacity", "allocatable")
    default_allocatable(status)
    _pod_cidrs(spec)
    _always_there(status)


def default_allocatable(status: Object) -> None:
    """A node that tells only its capacity offers all of it."""
    if "allocatable" not in status and "capacity" in status:
        status["allocatable"] = dict(status["capacity"])


def _pod_cidrs(spec: Object) -> None:
    """`podCIDR` and the first of `podCIDRs` are one value; where they differ, the older field wins."""
    first, several = spec.get("podCIDR", ""), spec.get("podCIDRs") or []
    if first and (not several or several[0] != first):
        spec["podCIDRs"] = [first]
    elif several:
        spec["podCIDR"] = several[0]


def _always_there(status: Object) -> None:
    """Fields that the API shows even when nobody set them."""
    endpoints = status.setdefault("daemonEndpoints", {})
    endpoints.setdefault("kubeletEndpoint", {}).setdefault("Port", 0)
    info = status.setdefault("nodeInfo", {})
    for key in _NODE_INFO:
        info.setdefault(key, "")
