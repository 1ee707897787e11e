"""How a kubelet is configured: the names of its flags and of KubeletConfiguration, durations in seconds."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

import attrs

from refimpl.api import quantity
from refimpl.api.errors import Object
from refimpl.kubelet.era import ERAS, Era, EraName

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TAINT = re.compile(r"(?P<key>[^=:]+)(=(?P<value>[^:]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)")

_KUBERNETES_DOMAINS = ("kubernetes.io", "k8s.io")
_OPEN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_OWN_LABELS = frozenset({
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
})  # fmt: skip


class ConfigError(ValueError):
    """A setting with which no kubelet starts; the text names the flag."""


@attrs.frozen(kw_only=True)
class KubeletConfig:
    """Settings of a kubelet.

    Attributes:
        era: generation of kubelet to be: 1.5, 1.20 or 1.36.
        kubelet_version: version to report in nodeInfo; empty means the era's.
        hostname_override: name of the node and its hostname label; empty means the machine's hostname.
        node_ip: addresses to register with, at most two, separated by commas; empty means detect.
        node_labels: labels for the first registration, KEY=VALUE separated by commas.
        register_node: create the Node object; otherwise wait until somebody else does.
        register_with_taints: taints for the first registration, KEY=VALUE:EFFECT separated by commas.
        register_schedulable: register the node open for pods.
        provider_id: spec.providerID of the Node.
        cloud_provider: `external` taints the node until a cloud controller has initialized it.
        enable_controller_attach_detach: let the controller attach volumes (sets an annotation on the Node).
        max_pods: largest number of pods.
        pods_per_core: pods per CPU, bounded by max_pods; 0 means no such bound.
        node_status_update_frequency: seconds between two looks at the node's own status.
        node_status_report_frequency: seconds after which an unchanged status is written again.
        node_lease_duration_seconds: duration of the node's Lease; it is renewed every quarter.
        kube_reserved: resources kept for Kubernetes itself, NAME=QUANTITY separated by commas.
        system_reserved: resources kept for the operating system, NAME=QUANTITY separated by commas.
        eviction_hard: thresholds at which pods are evicted at once, SIGNAL<QUANTITY separated by commas.
        eviction_soft: thresholds at which pods are evicted after a grace period, SIGNAL<QUANTITY.
        eviction_soft_grace_period: grace periods of the soft thresholds, SIGNAL=DURATION.
        eviction_minimum_reclaim: how far beyond a threshold an eviction must go, SIGNAL=QUANTITY.
        eviction_max_pod_grace_period: longest grace, in seconds, of a pod evicted for a soft threshold.
        eviction_pressure_transition_period: seconds a pressure condition outlives its cause.
        experimental_allocatable_ignore_eviction: do not take hard eviction thresholds off allocatable.
        node_status_max_images: longest list of images in the Node's status; -1 means no bound.
        shutdown_grace_period: seconds that pods get when the machine goes down.
        shutdown_grace_period_critical_pods: the part of it that is kept for critical pods.
        max_container_restart_period: longest wait, in seconds, between restarts of a crashing container.
        pod_manifest_path: file or directory of static pods; empty means none.
        root_dir: directory of the kubelet's files; used by the process runtime.
        cgroup_root: cgroup whose limits of memory and process ids are the machine's, and in which the process runtime
            starts containers; empty or `/` means the whole machine.
        address: address on which the kubelet's server listens; empty means the node's own.
        port: port of the kubelet's server; 0 means any free one.
        local_control: let tests set pressure, device counts and container exits.
        local_control_withhold: resources that the machine tells nothing of until local control lets it; for tests.
    """

    era: EraName = "1.36"
    kubelet_version: str = ""
    hostname_override: str = ""
    node_ip: str = ""
    node_labels: Mapping[str, str] = attrs.field(factory=dict)
    register_node: bool = True
    register_with_taints: tuple[str, ...] = ()
    register_schedulable: bool = True
    provider_id: str = ""
    cloud_provider: str = ""
    enable_controller_attach_detach: bool = True
    max_pods: int = 110
    pods_per_core: int = 0
    node_status_update_frequency: float = 10.0
    node_status_report_frequency: float = 300.0
    node_lease_duration_seconds: int = 40
    kube_reserved: Mapping[str, str] = attrs.field(factory=dict)
    system_reserved: Mapping[str, str] = attrs.field(factory=dict)
    eviction_hard: tuple[str, ...] = (
        "memory.available<100Mi",
        "nodefs.available<10%",
        "nodefs.inodesFree<5%",
        "imagefs.available<15%",
        "imagefs.inodesFree<5%",
    )
    eviction_soft: tuple[str, ...] = ()
    eviction_soft_grace_period: Mapping[str, str] = attrs.field(factory=dict)
    eviction_minimum_reclaim: Mapping[str, str] = attrs.field(factory=dict)
    eviction_max_pod_grace_period: int = 0
    eviction_pressure_transition_period: float = 300.0
    experimental_allocatable_ignore_eviction: bool = False
    node_status_max_images: int = 50
    shutdown_grace_period: float = 30.0
    shutdown_grace_period_critical_pods: float = 10.0
    max_container_restart_period: float = 300.0
    pod_manifest_path: str = ""
    root_dir: str = ""
    cgroup_root: str = ""
    address: str = ""
    port: int = 10250
    local_control: bool = False
    local_control_withhold: tuple[str, ...] = ()

    @property
    def rules(self) -> Era:
        """The rules of the configured era."""
        return ERAS[self.era]

    @property
    def version(self) -> str:
        """What nodeInfo reports as kubelet version."""
        return self.kubelet_version or self.rules.kubelet_version

    @property
    def renew_interval(self) -> float:
        """Seconds between two renewals of the Lease."""
        return self.node_lease_duration_seconds / 4

    @property
    def heartbeat_timeout(self) -> float:
        """Seconds after which a request for status or lease is given up."""
        return min(self.node_status_update_frequency, float(self.node_lease_duration_seconds))

    @property
    def node_ips(self) -> tuple[str, ...]:
        """The configured addresses."""
        return tuple(part.strip() for part in self.node_ip.split(",") if part.strip())

    def hostname(self, detected: str) -> str:
        """The effective hostname: the override or the machine's, trimmed and in lower case."""
        return (self.hostname_override or detected).strip().lower()

    def taints(self) -> list[Object]:
        """The taints to register with, as objects, in order."""
        return [parse_taint(text) for text in self.register_with_taints]


def parse_taint(text: str) -> Object:
    """`key=value:Effect` or `key:Effect` as a taint object.

    Raises:
        ConfigError: the text has another form.
    """
    match = _TAINT.fullmatch(text)
    if match is None:
        raise ConfigError(f"--register-with-taints: {text!r} is not KEY=VALUE:EFFECT")
    taint = {"key": match["key"], "effect": match["effect"]}
    if match["value"]:
        taint["value"] = match["value"]
    return taint


def reserved_amounts(amounts: Mapping[str, str]) -> dict[str, Decimal]:
    """Parsed reservations by resource name, in base units."""
    return {name: quantity.parse(text) for name, text in amounts.items()}


def share(text: str) -> Fraction | None:
    """`10%` as a fraction; None when the text is no percentage."""
    return Fraction(text[:-1]) / 100 if text.endswith("%") else None


def validate(config: KubeletConfig, hostname: str) -> None:
    """Refuses settings with which a kubelet exits at start.

    Args:
        config: the settings.
        hostname: the effective hostname, which becomes the node's name.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    for problem in _problems(config, hostname):
        raise ConfigError(problem)


def _problems(config: KubeletConfig, hostname: str) -> Iterator[str]:
    if len(hostname) > 253 or not _NAME.fullmatch(hostname):
        yield f"the node name {hostname!r} is not a DNS subdomain; use --hostname-override"
    forbidden = [key for key in config.node_labels if not _label_allowed(key)]
    if forbidden:
        yield (
            f"unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: {forbidden}; "
            "the kubelet.kubernetes.io and node.kubernetes.io prefixes are free to use"
        )
    config.taints()
    if len(config.node_ips) > 2:
        yield "--node-ip: at most two addresses"
    for text in config.node_ips:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            yield f"--node-ip: {text!r} is not an IP address"
    yield from _reservation_problems("kube", config.kube_reserved)
    yield from _reservation_problems("system", config.system_reserved)
    if config.node_status_update_frequency <= 0 or config.node_lease_duration_seconds <= 0:
        yield "--node-status-update-frequency and --node-lease-duration-seconds must be above zero"
    if config.max_pods < 0 or config.pods_per_core < 0:
        yield "--max-pods and --pods-per-core must not be negative"


def _reservation_problems(flag: str, reserved: Mapping[str, str]) -> Iterator[str]:
    try:
        for name, amount in reserved_amounts(reserved).items():
            if amount < 0:
                yield f"--{flag}-reserved: {name} must not be negative"
    except quantity.QuantityError as error:
        yield f"--{flag}-reserved: {error}"


def _label_allowed(key: str) -> bool:
    """Whether a label may be set with `--node-labels` (kubelet 1.16+)."""
    domain = key.rpartition("/")[0]
    kubernetes = any(domain == own or domain.endswith("." + own) for own in _KUBERNETES_DOMAINS)
    if not kubernetes or key in _OWN_LABELS:
        return True
    return any(domain == free or domain.endswith("." + free) for free in _OPEN_LABEL_DOMAINS)
