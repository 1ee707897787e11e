"""Capacity and allocatable: what the machine has, and what of it pods may ask for.

Source: kubelet 1.36 `nodestatus.MachineInfo`, `cm/node_container_manager_linux.go`, and kubelet 1.5
`setNodeStatusMachineInfo`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Final

import attrs

from refimpl.api import quantity
from refimpl.kubelet import resources
from refimpl.kubelet.config import KubeletConfig, reserved_amounts
from refimpl.kubelet.machine.host import HostFacts
from refimpl.kubelet.thresholds import Threshold

ResourceList = dict[str, str]

NVIDIA_GPU: Final = "alpha.kubernetes.io/nvidia-gpu"
REQUIRED: Final = ("cpu", "memory", "pods", "ephemeral-storage")
"""Without these a node is not ready (ephemeral-storage from 1.8 on)."""

_RESERVED_BY_EVICTION: Final = {"memory.available": "memory", "nodefs.available": "ephemeral-storage"}


@attrs.frozen
class Device:
    """A resource that a device plugin manages.

    Attributes:
        healthy: devices pods may use.
        unhealthy: devices that exist but fail.
    """

    healthy: int
    unhealthy: int = 0

    @property
    def total(self) -> int:
        """All devices."""
        return self.healthy + self.unhealthy


Devices = Mapping[str, Device]
"""Devices by resource name, e.g. `nvidia.com/gpu`; a removed plugin leaves `Device(0)`."""


def pod_limit(config: KubeletConfig, cpus: int) -> int:
    """The largest number of pods."""
    if config.pods_per_core > 0:
        return min(cpus * config.pods_per_core, config.max_pods)
    return config.max_pods


def capacity(
    config: KubeletConfig,
    host: HostFacts,
    devices: Devices,
    known: Mapping[str, str],
    *,
    withheld: Collection[str] = (),
) -> ResourceList:
    """What the machine has.

    Args:
        config: the pod limit and the era.
        host: the machine.
        devices: what device plugins manage.
        known: capacity in the Node as it is; resources of other owners in it are kept.
        withheld: resources of which nothing could be found out; they are left out unless they are known.
    """
    found = dict(known)
    found["cpu"] = quantity.to_text(host.cpus)
    found["memory"] = quantity.to_text(host.memory, "BinarySI")
    found["pods"] = quantity.to_text(pod_limit(config, host.cpus))
    if config.rules.nvidia_gpu:
        found[NVIDIA_GPU] = quantity.to_text(host.gpus)
    if config.rules.ephemeral_storage:
        found["ephemeral-storage"] = quantity.to_text(host.ephemeral_storage, "BinarySI")
        for size, held in host.hugepages.items():
            found[f"hugepages-{size}"] = quantity.to_text(held, "BinarySI")
        for name, device in devices.items():
            found[name] = quantity.to_text(device.total)
    return {name: text for name, text in found.items() if name not in withheld or name in known}


def allocatable(
    capacity: Mapping[str, str], reservation: Mapping[str, Decimal], devices: Devices, known: Mapping[str, str]
) -> ResourceList:
    """What pods may ask for: capacity less the reservation, never below zero.

    Args:
        capacity: the node's capacity.
        reservation: what is kept back, in base units.
        devices: of these, the healthy ones.
        known: allocatable in the Node as it is; extended resources that left the capacity leave it, too.
    """
    found = {name: text for name, text in known.items() if name in capacity or not resources.is_extended(name)}
    for name, text in capacity.items():
        found[name] = less(text, reservation[name]) if name in reservation else text
    for name, device in devices.items():
        if name in capacity:
            found[name] = quantity.to_text(device.healthy)
    for name, text in capacity.items():
        if resources.is_hugepages(name) and "memory" in found:
            found["memory"] = less(found["memory"], quantity.parse(text))
    return found


def less(text: str, amount: Decimal) -> str:
    """A quantity reduced by an amount, in its own notation, floored at zero."""
    parsed = quantity.of(text)
    return quantity.to_text(max(parsed.amount - amount, Decimal(0)), parsed.notation)


def reservation(
    config: KubeletConfig, capacity: Mapping[str, str], thresholds: Iterable[Threshold]
) -> dict[str, Decimal]:
    """What is kept back of each resource: for Kubernetes, for the system, and below hard eviction thresholds."""
    kept: dict[str, Decimal] = {}
    for part in (
        reserved_amounts(config.kube_reserved),
        reserved_amounts(config.system_reserved),
        eviction_reservation(config, capacity, thresholds),
    ):
        for name, amount in part.items():
            kept[name] = kept.get(name, Decimal(0)) + amount
    return kept


def eviction_reservation(
    config: KubeletConfig, capacity: Mapping[str, str], thresholds: Iterable[Threshold]
) -> dict[str, Decimal]:
    """The part below the hard thresholds of memory and node file system; soft ones reserve nothing."""
    if not config.rules.eviction_reserved or config.experimental_allocatable_ignore_eviction:
        return {}
    kept: dict[str, Decimal] = {}
    for threshold in thresholds:
        name = _RESERVED_BY_EVICTION.get(threshold.signal)
        if name is not None and name in capacity and threshold.hard:
            kept[name] = Decimal(threshold.amount.of(quantity.value(capacity[name])))
    return kept


def over_reserved(capacity: Mapping[str, str], reservation: Mapping[str, Decimal]) -> list[str]:
    """Resources of which more is reserved than there is: the kubelet refuses to run."""
    return [
        f"Resource {name!r} has a reservation of {quantity.to_text(kept)} but capacity of {capacity[name]}. "
        "Expected capacity >= reservation."
        for name, kept in sorted(reservation.items())
        if name in capacity and kept > quantity.parse(capacity[name])
    ]


def missing(capacity: Mapping[str, str], *, ephemeral_storage: bool) -> list[str]:
    """Required resources that a capacity lacks."""
    required = REQUIRED if ephemeral_storage else REQUIRED[:-1]
    return [name for name in required if name not in capacity]
