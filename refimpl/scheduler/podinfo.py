"""What the scheduler knows of a pod, computed once per change instead of once per node.

Amounts are integers: milli-CPU for `cpu`, bytes or pieces for everything else.

Source: kube-scheduler 1.36 `framework.PodInfo`; the signature is its "pod signature" (pods of equal signature get equal
answers from every node), restricted to what one node alone decides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

import attrs
import msgspec

from refimpl.api import podresources
from refimpl.api.errors import Object
from refimpl.api.taints import Toleration, tolerations_of
from refimpl.scheduler.affinityterms import AffinityTerm, required_terms
from refimpl.scheduler.hostports import HostPort, host_ports_of
from refimpl.scheduler.nodeaffinity import NodeWishes, node_wishes

TERMINAL_PHASES = ("Succeeded", "Failed")
SCORED_REQUESTS: Final = {"cpu": Decimal("0.1"), "memory": Decimal(200 * 2**20)}
"""What scores assume for containers that do not ask for any."""

_REMEMBERED = 4096


@attrs.frozen(eq=False)
class Asks:
    """What a pod asks of a node: everything that the filters and scores of a single node depend on.

    Attributes:
        signature: equal for pods that ask for the same.
        requests: effective requests of the whole pod, by resource name.
        non_zero_cpu: milli-CPU for scoring, where containers without a request count 100m.
        non_zero_memory: bytes for scoring, where containers without a request count 200Mi.
        host_ports: claimed ports.
        tolerations: as in the spec.
        nodes: node selector and node affinity.
    """

    signature: bytes
    requests: Mapping[str, int]
    non_zero_cpu: int
    non_zero_memory: int
    host_ports: tuple[HostPort, ...]
    tolerations: Sequence[Toleration]
    nodes: NodeWishes


@attrs.frozen(eq=False)
class PodInfo:
    """A pod as the scheduler sees it.

    Attributes:
        pod: the object, not to be changed.
        uid: its uid.
        namespace: its namespace.
        name: its name.
        labels: its labels.
        node_name: the node it is bound to, or empty.
        nominated_node: the node preemption makes room on for it, or empty.
        priority: `spec.priority`.
        terminating: whether it has a deletionTimestamp.
        asks: what it asks of a node.
        anti_affinity: the pods it will not share a topology domain with.
    """

    pod: Object
    uid: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    node_name: str
    nominated_node: str
    priority: int
    terminating: bool
    asks: Asks
    anti_affinity: tuple[AffinityTerm, ...] = ()

    @property
    def spec(self) -> Object:
        """The pod's spec."""
        spec: Object = self.pod["spec"]
        return spec


class PodParser:
    """Makes `PodInfo`s; pods that ask for the same share one `Asks`."""

    def __init__(self) -> None:
        self._asks: OrderedDict[bytes, Asks] = OrderedDict()

    def parse(self, pod: Object) -> PodInfo:
        """The pod's view.

        Raises:
            refimpl.api.quantity.QuantityError: a request is no quantity.
        """
        metadata, spec = pod["metadata"], pod["spec"]
        return PodInfo(
            pod=pod,
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            labels=metadata.get("labels") or {},
            node_name=spec.get("nodeName") or "",
            nominated_node=nominated_node_of(pod),
            priority=spec.get("priority") or 0,
            terminating="deletionTimestamp" in metadata,
            asks=self._asks_of(pod),
            anti_affinity=required_terms(pod, "podAntiAffinity"),
        )

    def _asks_of(self, pod: Object) -> Asks:
        key = signature(pod)
        asks = self._asks.get(key)
        if asks is None:
            asks = self._asks[key] = _asks(pod, key)
            if len(self._asks) > _REMEMBERED:
                self._asks.popitem(last=False)
        return asks


def counts_on_its_node(pod: Object) -> bool:
    """Whether a pod takes room on its node: bound and not finished, started or not, terminating or not."""
    return bool(pod["spec"].get("nodeName")) and not is_terminal(pod)


def is_terminal(pod: Object) -> bool:
    """Whether all of the pod's containers have ended for good."""
    return (pod.get("status") or {}).get("phase") in TERMINAL_PHASES


def nominated_node_of(pod: Object) -> str:
    """The node on which room is being made for the pod, or empty."""
    node: str = (pod.get("status") or {}).get("nominatedNodeName") or ""
    return node


def is_gated(pod: Object) -> bool:
    """Whether a scheduling gate keeps the pod out of the queue."""
    return bool(pod["spec"].get("schedulingGates"))


def wants_scheduling(pod: Object, scheduler_name: str) -> bool:
    """Whether it is this scheduler's task to find a node for the pod."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and (spec.get("schedulerName") or "default-scheduler") == scheduler_name
        and not is_terminal(pod)
        and "deletionTimestamp" not in pod["metadata"]
    )


def signature(pod: Object) -> bytes:
    """Equal for two pods exactly when no node by itself can tell them apart."""
    spec = pod["spec"]
    return msgspec.json.encode(
        (
            pod["metadata"]["namespace"],
            [_container_asks(container) for container in spec.get("initContainers") or ()],
            [_container_asks(container) for container in spec["containers"]],
            spec.get("resources"),
            spec.get("overhead"),
            spec.get("tolerations"),
            spec.get("nodeSelector"),
            (spec.get("affinity") or {}).get("nodeAffinity"),
            resize_reports(pod),
        )
    )


def resize_reports(pod: Object) -> Any:
    """What the node says of the pod's resources, so far as it counts."""
    reports = podresources.reported(pod)
    held = {name: (each.get("allocatedResources"), each["resources"].get("requests")) for name, each in reports.items()}
    return held, bool(held) and podresources.is_infeasible(pod)


def amounts_of(resources: Mapping[str, Decimal]) -> dict[str, int]:
    """The integers that are compared: milli-CPU for `cpu`, whole units for everything else, rounded up."""
    return {
        name: int((amount * 1000 if name == "cpu" else amount).to_integral_value(ROUND_CEILING))
        for name, amount in resources.items()
    }


def _container_asks(container: Object) -> Any:
    return container.get("resources"), container.get("ports"), container.get("restartPolicy")


def _asks(pod: Object, key: bytes) -> Asks:
    spec = pod["spec"]
    sidecars = [one for one in spec.get("initContainers") or () if podresources.is_sidecar(one)]
    scored = amounts_of(podresources.pod_requests(pod, missing=SCORED_REQUESTS, resized=True))
    return Asks(
        signature=key,
        requests=amounts_of(podresources.pod_requests(pod, resized=True)),
        non_zero_cpu=scored["cpu"],
        non_zero_memory=scored["memory"],
        host_ports=host_ports_of([*spec["containers"], *sidecars]),
        tolerations=tolerations_of(pod),
        nodes=node_wishes(pod),
    )
