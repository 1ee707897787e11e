"""The Node object as the kubelet writes it: the first one in full, later only its status.

Source: kubelet 1.36 `kubelet_node_status.go` (`initialNode`, `setNodeStatus`, `nodeStatusHasChanged`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from refimpl.api import quantity
from refimpl.api.errors import Object
from refimpl.api.transient import transient
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.machine.host import HostFacts
from refimpl.kubelet.node import addresses, conditions
from refimpl.kubelet.node import capacity as machine
from refimpl.kubelet.node.addresses import NoAddress
from refimpl.kubelet.node.capacity import Devices
from refimpl.kubelet.runtime.base import Image
from refimpl.kubelet.thresholds import Pressure, Threshold

ATTACH_DETACH_ANNOTATION: Final = "volumes.kubernetes.io/controller-managed-attach-detach"
PROVIDED_ADDRESS_ANNOTATION: Final = "alpha.kubernetes.io/provided-node-ip"
_UNSCHEDULABLE: Final = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_UNINITIALIZED: Final = {
    "key": "node.cloudprovider.kubernetes.io/uninitialized",
    "value": "true",
    "effect": "NoSchedule",
}
_NAMES_PER_IMAGE: Final = 5


@attrs.frozen
class Identity:
    """What stays the same while a kubelet runs.

    Attributes:
        config: its settings.
        host: its machine.
        thresholds: its eviction thresholds.
    """

    config: KubeletConfig
    host: HostFacts
    thresholds: tuple[Threshold, ...]

    @property
    def name(self) -> str:
        """The node's name: the effective hostname."""
        return self.config.hostname(self.host.hostname)


@transient
class SelfView:
    """What the node knows about itself at one moment.

    Attributes:
        pressures: pressure conditions in force.
        errors: why the node is not ready; empty when it is.
        devices: resources of device plugins.
        runtime_version: `name://version` of the container runtime.
        images: images, in any order.
        port: where the kubelet's server listens; 0 means nowhere.
        withheld: resources of which it could not find out how much there is.
    """

    pressures: tuple[Pressure, ...]
    errors: tuple[str, ...]
    devices: Devices
    runtime_version: str
    images: tuple[Image, ...]
    port: int
    withheld: frozenset[str] = frozenset()


@attrs.frozen
class NodeEvent:
    """An event about the node.

    Attributes:
        type: `Normal` or `Warning`.
        reason: CamelCase word.
        message: the sentence.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def initial_node(identity: Identity, view: SelfView, now: str) -> tuple[Object, list[NodeEvent]]:
    """The Node to register: labels, taints, and its whole status."""
    config, host = identity.config, identity.host
    spec: Object = {}
    taints = initial_taints(config)
    if taints:
        spec["taints"] = taints
    if not config.register_schedulable:
        spec["unschedulable"] = True
    if config.provider_id:
        spec["providerID"] = config.provider_id
    if config.rules.external_id:
        spec["externalID"] = config.hostname(host.hostname)
    metadata: Object = {"name": identity.name, "labels": {**default_labels(identity), **config.node_labels}}
    if config.enable_controller_attach_detach:
        metadata["annotations"] = {ATTACH_DETACH_ANNOTATION: "true"}
    node = {"kind": "Node", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": {}}
    return with_status(node, identity, view, now)


def default_labels(identity: Identity) -> dict[str, str]:
    """Labels that follow from the machine: hostname, operating system, architecture."""
    host = identity.host
    labels = {"beta.kubernetes.io/arch": host.architecture, "beta.kubernetes.io/os": host.operating_system}
    if identity.config.rules.stable_os_labels:
        labels |= {"kubernetes.io/arch": host.architecture, "kubernetes.io/os": host.operating_system}
    labels["kubernetes.io/hostname"] = identity.config.hostname(host.hostname)
    return labels


def initial_taints(config: KubeletConfig) -> list[Object]:
    """Taints of a new Node: the configured ones, and those that follow from other settings."""
    if not config.rules.node_taints:
        return []
    taints = config.taints()
    cordoned = any(taint["key"] == _UNSCHEDULABLE["key"] for taint in taints)
    if not config.register_schedulable and not cordoned:
        taints.append(dict(_UNSCHEDULABLE))
    if config.cloud_provider == "external":
        taints.append(dict(_UNINITIALIZED))
    return taints


def with_status(node: Object, identity: Identity, view: SelfView, now: str) -> tuple[Object, list[NodeEvent]]:
    """A Node with its status brought up to date; the given object is not changed.

    Args:
        node: the Node as it is (or as it will be created).
        identity: who this kubelet is.
        view: what it knows about itself.
        now: timestamp, whole seconds.

    Returns:
        The Node, and events to record.
    """
    known = node.get("status") or {}
    status = dict(known)
    _set_addresses(status, identity)
    _set_resources(status, identity, view)
    status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": view.port}}
    status["nodeInfo"] = node_info(identity, view, known.get("nodeInfo") or {})
    _set_images(status, view, identity.config.node_status_max_images)
    errors = readiness_errors(view, status["capacity"], identity.config)
    findings = conditions.self_check(view.pressures, errors, identity.config.rules)
    status["conditions"], turned = conditions.update(known.get("conditions") or (), findings, now)
    events = [NodeEvent("Normal", reason, f"Node {identity.name} status is now: {reason}") for reason in turned]
    new = {**node, "status": status}
    if identity.config.cloud_provider == "external":
        new["metadata"] = with_provided_address(node["metadata"], identity.config)
    return new, reboot_events(identity, known) + events


def with_provided_address(metadata: Object, config: KubeletConfig) -> Object:
    """Metadata that tells a cloud controller which address the node was given; an annotation from before goes."""
    annotations = dict(metadata.get("annotations") or {})
    provided = ",".join(config.node_ips)
    if provided:
        annotations[PROVIDED_ADDRESS_ANNOTATION] = provided
    elif config.rules.drops_provided_address:
        annotations.pop(PROVIDED_ADDRESS_ANNOTATION, None)
    if annotations == (metadata.get("annotations") or {}):
        return metadata
    return {**metadata, "annotations": annotations}


def readiness_errors(view: SelfView, capacity: Mapping[str, str], config: KubeletConfig) -> list[str]:
    """Everything that keeps the node from being ready."""
    errors = list(view.errors)
    lacking = machine.missing(capacity, ephemeral_storage=config.rules.ephemeral_storage)
    if lacking:
        errors.append(f"missing node capacity for resources: {', '.join(lacking)}")
    return errors


def node_info(identity: Identity, view: SelfView, known: Mapping[str, Any]) -> Object:
    """nodeInfo; fields of later versions that are already there stay."""
    host, config = identity.host, identity.config
    return {
        **known,
        "machineID": host.machine_id,
        "systemUUID": host.system_uuid,
        "bootID": host.boot_id,
        "kernelVersion": host.kernel_version,
        "osImage": host.os_image,
        "containerRuntimeVersion": view.runtime_version,
        "kubeletVersion": config.version,
        "kubeProxyVersion": config.version if config.rules.kube_proxy_version else "",
        "operatingSystem": host.operating_system,
        "architecture": host.architecture,
    }


def reboot_events(identity: Identity, known: Mapping[str, Any]) -> list[NodeEvent]:
    """The warning that the machine has booted since the Node was last written."""
    before, boot_id = (known.get("nodeInfo") or {}).get("bootID"), identity.host.boot_id
    if not before or before == boot_id:
        return []
    text = f"Node {identity.name} has been rebooted, boot id: {boot_id}"
    return [NodeEvent("Warning", "Rebooted", text)]


def status_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a status says something else than before; heartbeat times alone do not count."""
    if _without_heartbeats(old) != _without_heartbeats(new):
        return True
    fields = (set(old) | set(new)) - {"conditions"}
    return any(not _same(old.get(field), new.get(field)) for field in sorted(fields))


def images_listed(images: Sequence[Image], longest: int) -> list[Object]:
    """status.images: the largest first, at most `longest` of them (-1: all), with five names each."""
    ordered = sorted(images, key=lambda image: (-image.size, image.names))
    shown = ordered if longest < 0 else ordered[:longest]
    return [{"names": list(image.names[:_NAMES_PER_IMAGE]), "sizeBytes": image.size} for image in shown]


def _set_addresses(status: Object, identity: Identity) -> None:
    if identity.config.cloud_provider == "external" and status.get("addresses"):
        return
    try:
        status["addresses"] = addresses.node_addresses(identity.config, identity.host)
    except NoAddress:
        # The other fields are still worth publishing; the next tick tries again.
        return


def _set_resources(status: Object, identity: Identity, view: SelfView) -> None:
    config, host = identity.config, identity.host
    known = status.get("capacity") or {}
    capacity = machine.capacity(config, host, view.devices, known, withheld=view.withheld)
    kept = machine.reservation(config, capacity, identity.thresholds)
    status["capacity"] = capacity
    status["allocatable"] = machine.allocatable(capacity, kept, view.devices, status.get("allocatable") or {})


def _set_images(status: Object, view: SelfView, longest: int) -> None:
    listed = images_listed(view.images, longest)
    if listed:
        status["images"] = listed
    else:
        status.pop("images", None)


def _without_heartbeats(status: Mapping[str, Any]) -> list[Object]:
    listed = [
        {key: value for key, value in condition.items() if key != "lastHeartbeatTime"}
        for condition in status.get("conditions") or ()
    ]
    return sorted(listed, key=lambda condition: str(condition["type"]))


def _same(old: Any, new: Any) -> bool:
    """Equality of status fields; ResourceLists are equal when their amounts are, absent is equal to empty."""
    if old == new or (not old and not new):
        return True
    if not isinstance(old, dict) or not isinstance(new, dict) or set(old) != set(new):
        return False
    return all(_same_amount(old[name], new[name]) for name in old)


def _same_amount(old: Any, new: Any) -> bool:
    if old == new:
        return True
    try:
        return quantity.compare(old, new) == 0
    except (quantity.QuantityError, TypeError):
        return False
