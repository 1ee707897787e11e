"""The Table columns of nodes.

Source: kube-apiserver 1.36 `pkg/printers/internalversion`.
"""

from __future__ import annotations

from refimpl.api.errors import Object
from refimpl.apiserver.kinds import printing
from refimpl.apiserver.strategy import Column
from refimpl.clock import Clock

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def status(node: Object, _clock: Clock) -> str:
    """`Ready`, `NotReady` or `Unknown`, and `SchedulingDisabled` when cordoned."""
    shown = "Unknown"
    for condition in (node.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "Ready":
            shown = "Ready" if condition.get("status") == "True" else "NotReady"
    cordoned = (node.get("spec") or {}).get("unschedulable", False)
    return f"{shown},SchedulingDisabled" if cordoned else shown


def roles(node: Object, _clock: Clock) -> str:
    """Roles named by labels, sorted."""
    found = set()
    for key, value in (node["metadata"].get("labels") or {}).items():
        if key.startswith(_ROLE_PREFIX):
            found.add(key.removeprefix(_ROLE_PREFIX))
        elif key == _ROLE_LABEL:
            found.add(value)
    return ",".join(sorted(found - {""})) or printing.NONE


def _address(of_type: str, node: Object) -> str:
    for address in (node.get("status") or {}).get("addresses") or []:
        if address.get("type") == of_type:
            return str(address.get("address", ""))
    return printing.NONE


def internal_ip(node: Object, _clock: Clock) -> str:
    """The first InternalIP."""
    return _address("InternalIP", node)


def external_ip(node: Object, _clock: Clock) -> str:
    """The first ExternalIP."""
    return _address("ExternalIP", node)


def _info(key: str, node: Object) -> str:
    return str(printing.dig(node, ("status", "nodeInfo", key)) or printing.UNKNOWN)


def os_image(node: Object, _clock: Clock) -> str:
    """The operating system as the node tells it."""
    return _info("osImage", node)


def kernel_version(node: Object, _clock: Clock) -> str:
    """The kernel and, in parentheses, the architecture."""
    architecture = printing.dig(node, ("status", "nodeInfo", "architecture"))
    version = _info("kernelVersion", node)
    return f"{version} ({architecture})" if architecture else version


def container_runtime(node: Object, _clock: Clock) -> str:
    """The runtime as the node tells it."""
    return _info("containerRuntimeVersion", node)


COLUMNS = (
    printing.NAME,
    Column("Status", status, description="The status of the node"),
    Column("Roles", roles, description="The roles of the node"),
    printing.AGE,
    Column("Version", printing.field("status.nodeInfo.kubeletVersion"), documents="status.nodeInfo.kubeletVersion"),
    Column("Internal-IP", internal_ip, documents="status.addresses", priority=1),
    Column("External-IP", external_ip, documents="status.addresses", priority=1),
    Column("OS-Image", os_image, documents="status.nodeInfo.osImage", priority=1),
    Column("Kernel-Version", kernel_version, documents="status.nodeInfo.kernelVersion", priority=1),
    Column("Container-Runtime", container_runtime, documents="status.nodeInfo.containerRuntimeVersion", priority=1),
)
