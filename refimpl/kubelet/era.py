"""What differs between the generations of kubelets: 1.5, 1.20 and 1.36.

Code asks for a named rule, never for a version number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import attrs

EraName = Literal["1.5", "1.20", "1.36"]


@attrs.frozen(kw_only=True)
class Era:
    """The rules of one generation.

    Attributes:
        name: minor version that stands for the generation.
        kubelet_version: what nodeInfo reports unless configured.
        has_lease: renews a Lease (1.14+).
        patches_status: status is a strategic merge patch, not a PUT of the whole object (1.6+).
        writes_every_tick: node status is written at each tick, changed or not (up to 1.13).
        reads_from_informer: the first try of a status update reads the informer, not the API (1.30+).
        jitters_report: the report interval after a change is drawn from half to one and a half (1.34+).
        tick_jitter: share by which status ticks and lease renewals may be late (1.23+).
        fast_ready: Ready is published as soon as it becomes true (1.24+).
        repairs_running_labels: os and arch labels are restored without a restart (1.30+).
        reconciles_labels: default labels are restored on adoption (1.14+).
        drops_provided_address: an annotation on a provided address that is no longer configured is removed (1.29+).
        lists_node: the first try of a status update lists Nodes of its name (up to 1.5).
        adopts_when_forbidden: a POST refused with 403 leads to a GET of the existing Node (1.32+).
        external_id: spec.externalID is set, and another one is reason to delete the Node (up to 1.10).
        out_of_disk: reports the OutOfDisk condition (up to 1.12).
        pid_pressure: reports the PIDPressure condition (1.10+).
        legacy_host_ip: addresses begin with a LegacyHostIP (up to 1.7).
        nvidia_gpu: capacity has alpha.kubernetes.io/nvidia-gpu (1.3 to 1.10).
        ephemeral_storage: capacity has ephemeral-storage, huge pages and extended resources (1.8+).
        eviction_reserved: hard eviction thresholds reduce allocatable (1.6+).
        stable_os_labels: kubernetes.io/os and kubernetes.io/arch labels (1.14+).
        kube_proxy_version: nodeInfo has kubeProxyVersion (up to 1.32).
        node_taints: Nodes are registered with taints (1.6+).
        error_separator: between several reasons of a not ready node; the text is bracketed when it is a list.
        node_uid_in_events: events about the node carry its name as uid (up to 1.20 and some).
        checks_system: a pod for another operating system is rejected (1.24+).
        checks_taints: an untolerated NoExecute taint rejects a pod (1.22+).
        rejection_prefix: opens the message of a rejected pod.
        keeps_qos_when_rejected: a rejected pod's status keeps its qosClass.
        selector_reason: reason when node selector or affinity do not match.
        ports_reason: reason when a host port is taken.
        describes_predicates: rejection messages say what did not match.
        containers_ready: pods have the ContainersReady condition (1.11+).
        sandbox_condition: pods have the PodReadyToStartContainers condition and observed generations (1.28+).
        pod_ips: pod status has podIPs (1.16+).
        host_ips: pod status has hostIPs (1.28+).
        pod_failed_reason: conditions of a failed pod carry the reason PodFailed (1.24+).
        started: container statuses say whether the container has started (1.16+).
        terminal_before_delete: the last status before the final DELETE has a terminal phase (1.27+).
        disruption_target: pods the node itself ends carry the DisruptionTarget condition (1.26+).
        eviction_details: eviction messages tell threshold and available amount.
        runtime_network_words: opens the text about a network that is not ready.
        mirror_owner: mirror pods are owned by their Node (1.17+).
        shutdown_reason: of a pod that the node ends because its machine goes down.
        shutdown_message: of the same.
        refuses_in_shutdown: pods that come while the machine goes down are rejected (1.21+).
        events_per_second: how many events the node may write in the long run (50 from 1.27 on).
        events_at_once: how many it may write at once.
        waits_out_shutdown: critical pods end when the time of the others is up, however soon these ended (1.20).
    """

    name: EraName
    kubelet_version: str
    has_lease: bool = True
    patches_status: bool = True
    writes_every_tick: bool = False
    reads_from_informer: bool = True
    jitters_report: bool = True
    tick_jitter: float = 0.04
    fast_ready: bool = True
    repairs_running_labels: bool = True
    reconciles_labels: bool = True
    drops_provided_address: bool = True
    lists_node: bool = False
    adopts_when_forbidden: bool = True
    external_id: bool = False
    out_of_disk: bool = False
    pid_pressure: bool = True
    legacy_host_ip: bool = False
    nvidia_gpu: bool = False
    ephemeral_storage: bool = True
    eviction_reserved: bool = True
    stable_os_labels: bool = True
    kube_proxy_version: bool = False
    node_taints: bool = True
    error_separator: str = ", "
    node_uid_in_events: bool = False
    checks_system: bool = True
    checks_taints: bool = True
    rejection_prefix: str = "Pod was rejected: "
    keeps_qos_when_rejected: bool = True
    selector_reason: str = "NodeAffinity"
    ports_reason: str = "NodePorts"
    describes_predicates: bool = True
    containers_ready: bool = True
    sandbox_condition: bool = True
    pod_ips: bool = True
    host_ips: bool = True
    pod_failed_reason: bool = True
    started: bool = True
    terminal_before_delete: bool = True
    disruption_target: bool = True
    eviction_details: bool = True
    runtime_network_words: str = "container runtime network not ready: "
    mirror_owner: bool = True
    shutdown_reason: str = "Terminated"
    shutdown_message: str = "Pod was terminated in response to imminent node shutdown."
    refuses_in_shutdown: bool = True
    waits_out_shutdown: bool = False
    events_per_second: float = 50
    events_at_once: int = 100


_ERA_1_36: Final = Era(name="1.36", kubelet_version="v1.36.2")

_ERA_1_20: Final = attrs.evolve(
    _ERA_1_36,
    name="1.20",
    kubelet_version="v1.20.2",
    reads_from_informer=False,
    jitters_report=False,
    tick_jitter=0.0,
    fast_ready=False,
    repairs_running_labels=False,
    drops_provided_address=False,
    adopts_when_forbidden=False,
    kube_proxy_version=True,
    node_uid_in_events=True,
    checks_system=False,
    checks_taints=False,
    rejection_prefix="Pod ",
    keeps_qos_when_rejected=False,
    describes_predicates=False,
    sandbox_condition=False,
    host_ips=False,
    pod_failed_reason=False,
    terminal_before_delete=False,
    disruption_target=False,
    eviction_details=False,
    runtime_network_words="runtime network not ready: ",
    shutdown_reason="Shutdown",
    shutdown_message="Node is shutting, evicting pods",
    refuses_in_shutdown=False,
    waits_out_shutdown=True,
    events_per_second=5,
    events_at_once=10,
)

_ERA_1_5: Final = attrs.evolve(
    _ERA_1_20,
    name="1.5",
    kubelet_version="v1.5.2",
    has_lease=False,
    patches_status=False,
    lists_node=True,
    writes_every_tick=True,
    reconciles_labels=False,
    external_id=True,
    out_of_disk=True,
    pid_pressure=False,
    legacy_host_ip=True,
    nvidia_gpu=True,
    ephemeral_storage=False,
    eviction_reserved=False,
    stable_os_labels=False,
    node_taints=False,
    error_separator=",",
    selector_reason="MatchNodeSelector",
    ports_reason="PodFitsHostPorts",
    containers_ready=False,
    started=False,
    pod_ips=False,
    mirror_owner=False,
)

ERAS: Final[Mapping[EraName, Era]] = {era.name: era for era in (_ERA_1_5, _ERA_1_20, _ERA_1_36)}
"""Every era by its name."""
