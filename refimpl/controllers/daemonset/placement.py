"""On which nodes daemon pods belong, and how one is tied to its node.

Source: kube-controller-manager 1.36 `daemon_controller.go` (`NodeShouldRunDaemonPod`), `daemonset_util.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from refimpl.api import taints
from refimpl.api.errors import Object
from refimpl.api.meta import labels
from refimpl.api.nodeselectors import NodeAffinity, required_affinity
from refimpl.controllers.workloads.podcontrol import pod_of
from refimpl.controllers.workloads.revisions import HASH_LABEL

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
TEMPLATE_GENERATION_LABEL = "pod-template-generation"

_TOLERATED = (
    (taints.NOT_READY, taints.NO_EXECUTE),
    (taints.UNREACHABLE, taints.NO_EXECUTE),
    (taints.DISK_PRESSURE, taints.NO_SCHEDULE),
    (taints.MEMORY_PRESSURE, taints.NO_SCHEDULE),
    (taints.PID_PRESSURE, taints.NO_SCHEDULE),
    (taints.UNSCHEDULABLE, taints.NO_SCHEDULE),
)


def tolerations(spec: Object) -> list[taints.Toleration]:
    """The tolerations of a daemon pod: its template's, and those that let it outlive its node's troubles.

    Args:
        spec: the template's pod spec. Only a pod on the host's network tolerates a node without network.
    """
    wanted = [*_TOLERATED]
    if spec.get("hostNetwork"):
        wanted.append((taints.NETWORK_UNAVAILABLE, taints.NO_SCHEDULE))
    result = list(spec.get("tolerations") or ())
    for key, effect in wanted:
        toleration = {"key": key, "operator": "Exists", "effect": effect}
        result = [one for one in result if {**one, "tolerationSeconds": 0} != {**toleration, "tolerationSeconds": 0}]
        result.append(toleration)
    return result


@attrs.frozen
class Demands:
    """What decides whether a node suits a DaemonSet.

    Attributes:
        node_name: the template's own `nodeName`, or empty.
        affinity: its node selector and required node affinity.
        tolerations: of its pods.
    """

    node_name: str
    affinity: NodeAffinity
    tolerations: list[taints.Toleration]


def demands_of(daemonset: Object) -> Demands:
    """Reads the template once for all nodes."""
    template = daemonset["spec"]["template"]
    return Demands(
        str(template["spec"].get("nodeName") or ""), required_affinity(template), tolerations(template["spec"])
    )


@attrs.frozen
class Verdict:
    """What a node is to a DaemonSet.

    Attributes:
        runs: a pod belongs there.
        keeps: a pod that is there already may stay.
    """

    runs: bool
    keeps: bool


_RUNS = Verdict(runs=True, keeps=True)
_KEEPS = Verdict(runs=False, keeps=True)
_SHUNS = Verdict(runs=False, keeps=False)


def judge(demands: Demands, node: Object) -> Verdict:
    """Whether a pod belongs on the node.

    A taint that only forbids scheduling keeps new pods away and leaves the present one; one that evicts takes it too.
    """
    if demands.node_name and demands.node_name != node["metadata"]["name"]:
        return _SHUNS
    if not demands.affinity.matches(node):
        return _SHUNS
    present = taints.taints_of(node)
    if taints.untolerated(present, demands.tolerations) is None:
        return _RUNS
    evicted = taints.untolerated(present, demands.tolerations, (taints.NO_EXECUTE,)) is not None
    return _SHUNS if evicted else _KEEPS


def daemon_pod(daemonset: Object, node_name: str, revision_hash: str) -> Object:
    """The pod for one node: the scheduler is left no other choice, and still does the binding."""
    template = daemonset["spec"]["template"]
    pod = pod_of(template, daemonset)
    marked = {**labels(template), HASH_LABEL: revision_hash}
    generation = (daemonset["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION)
    if generation:
        marked[TEMPLATE_GENERATION_LABEL] = generation
    pod["metadata"]["labels"] = marked
    spec = template["spec"]
    pod["spec"] = {**spec, "affinity": pinned(spec.get("affinity"), node_name), "tolerations": tolerations(spec)}
    return pod


def pinned(affinity: Object | None, node_name: str) -> Object:
    """An affinity whose required node part names one node; everything else stays."""
    known = affinity or {}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node_name]}]}
    required = {"nodeSelectorTerms": [term]}
    node_affinity = {
        **(known.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": required,
    }
    return {**known, "nodeAffinity": node_affinity}


def target_node(pod: Object) -> str:
    """The node on which a daemon pod runs or for which it was made; empty when it names none."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    node_affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    return next(_named(required.get("nodeSelectorTerms") or ()), "")


def _named(terms: Iterable[Object]) -> Iterator[str]:
    for term in terms:
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field["operator"] == "In" and len(field["values"]) == 1:
                yield str(field["values"][0])
