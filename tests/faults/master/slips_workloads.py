"""Slips of the pen in what keeps pods: one expression each is not what it should be."""

from __future__ import annotations

from refimpl.api import taints
from refimpl.controllers.daemonset import reconcile as daemons
from refimpl.controllers.endpoints import backends, subsets
from refimpl.controllers.endpoints.controller import EndpointsController
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.controllers.pod_gc import decisions
from refimpl.controllers.pod_gc.quarantine import Quarantine
from refimpl.controllers.replication import controller as replication
from refimpl.controllers.taint_eviction.controller import TaintEvictionController
from refimpl.controllers.workloads import podcontrol, pods
from refimpl.controllers.workloads.podcontrol import PodControl
from tests.faults.harness import Fault, replaced, slip

_pod_of = podcontrol.pod_of
_weigh = TaintEvictionController._weigh


def _without(change):
    def pod_of(template, owner):
        pod = _pod_of(template, owner)
        change(pod)
        return pod

    return replaced(replication, "pod_of", pod_of)


def _unless_owned_by(kind):
    def weigh(self, pod, node_taints):
        if not any(owner["kind"] == kind for owner in pod["metadata"].get("ownerReferences") or ()):
            _weigh(self, pod, node_taints)

    return replaced(TaintEvictionController, "_weigh", weigh)


def _of_all_namespaces(self, service):
    return [pod for pod in self._pods.list() if backends.selects(service, pod)]


def _with_one_label(self, service):
    wanted = service["spec"]["selector"].items()
    return [pod for pod in self._pods.list() if wanted & pod["metadata"].get("labels", {}).items()]


FAULTS = [
    Fault(
        "pods that failed are replicas",
        ids=("M-XF-01",),
        patch=slip(pods, "is_active", "not is_terminal(pod)", 'phase(pod) != "Succeeded"'),
    ),
    Fault(
        "pods that succeeded are replicas",
        ids=("M-XF-01",),
        patch=slip(pods, "is_active", "not is_terminal(pod)", 'phase(pod) != "Failed"'),
    ),
    Fault(
        "new pods are warned of",
        ids=("M-XF-01",),
        patch=slip(PodControl, "create", '"Normal", "SuccessfulCreate"', '"Warning", "SuccessfulCreate"'),
        warns=("M-XF-01",),
    ),
    Fault(
        "pods lose the annotations of their template",
        ids=("M-XF-03",),
        patch=_without(lambda pod: pod["metadata"].pop("annotations", None)),
    ),
    Fault(
        "pods lose the grace period of their template",
        ids=("M-XF-03",),
        patch=_without(
            lambda pod: pod.update(spec={k: v for k, v in pod["spec"].items() if k != "terminationGracePeriodSeconds"})
        ),
    ),
    Fault("pods of StatefulSets are spared", ids=("M-EV-15",), patch=_unless_owned_by("StatefulSet")),
    Fault(
        "other cases of a value are the value",
        ids=("M-EV-05",),
        patch=slip(
            taints,
            "tolerates",
            'return (toleration.get("value") or "") == (taint.get("value") or "")',
            'return (toleration.get("value") or "").lower() == (taint.get("value") or "").lower()',
        ),
    ),
    Fault(
        "the beginning of a key is the key",
        ids=("M-EV-05",),
        patch=slip(
            taints, "tolerates", 'toleration["key"] != taint["key"]', 'not taint["key"].startswith(toleration["key"])'
        ),
    ),
    Fault(
        "other cases of a key are the key",
        ids=("M-EV-05",),
        patch=slip(
            taints,
            "tolerates",
            'toleration["key"] != taint["key"]',
            'toleration["key"].lower() != taint["key"].lower()',
        ),
    ),
    Fault(
        "a taint without value has every value",
        ids=("M-EV-05",),
        patch=slip(
            taints,
            "tolerates",
            'return (toleration.get("value") or "") == (taint.get("value") or "")',
            'return not taint.get("value") or toleration.get("value") == taint.get("value")',
        ),
    ),
    Fault(
        "only the end of a taint is told",
        ids=("M-EV-13",),
        patch=slip(
            TaintEvictionController,
            "_weigh",
            "case Stay.FOREVER:\n            self._cancel(key)",
            "case Stay.FOREVER:\n            self.timers.cancel(key)",
        ),
    ),
    Fault(
        "evictions are told in another namespace",
        ids=("M-EV-13",),
        patch=slip(TaintEvictionController, "_record", '"namespace": namespace', '"namespace": "default"'),
    ),
    Fault(
        "nodes are announced by their names",
        ids=("M-REG-01",),
        patch=slip(NodeMonitor, "_record", '"uid": meta.uid(node)', '"uid": meta.name(node)'),
    ),
    Fault(
        "only NoExecute puts out of service",
        ids=("M-GC-04",),
        patch=slip(
            decisions,
            "is_out_of_service",
            'taint["key"] == OUT_OF_SERVICE',
            'taint["key"] == OUT_OF_SERVICE and taint["effect"] == "NoExecute"',
        ),
    ),
    Fault(
        "only lost nodes are out of service",
        ids=("M-GC-04",),
        patch=slip(
            decisions,
            "is_out_of_service",
            'not meta.is_true(node, "Ready")',
            'meta.condition(node, "Ready")["status"] == "Unknown"',
        ),
    ),
    Fault(
        "one quarantine for all nodes",
        ids=("M-GC-01",),
        patch=slip(
            Quarantine,
            "put",
            "self._ends.setdefault(name, now + self._seconds)",
            "self._ends.setdefault(name, min(self._ends.values(), default=now + self._seconds))",
        ),
    ),
    Fault(
        "all daemon pods are ready",
        ids=("M-DS-08",),
        patch=slip(daemons, "calculate_status", "+= pods.is_ready(present[0])", "+= 1"),
    ),
    Fault(
        "failed daemon pods are left",
        ids=("M-DS-09",),
        patch=slip(
            daemons, "manage", "delete += [*done, *_surplus(view, present)]", "delete += _surplus(view, present)"
        ),
    ),
    Fault(
        "one label of a selector is enough",
        ids=("M-RDY-08",),
        patch=replaced(EndpointsController, "pods_of", _with_one_label),
    ),
    Fault(
        "services select in all namespaces",
        ids=("M-RDY-08",),
        patch=replaced(EndpointsController, "pods_of", _of_all_namespaces),
    ),
    Fault(
        "addresses do not name their node",
        ids=("M-RDY-08",),
        patch=slip(subsets, "_address", 'address["nodeName"] = pod["spec"]["nodeName"]', "pass"),
    ),
    Fault(
        "the port of a service is that of its pods",
        ids=("M-RDY-08",),
        patch=slip(backends, "find_port", "return wanted\n", 'return int(service_port["port"])\n'),
    ),
]
