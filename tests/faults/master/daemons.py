"""Faults in DaemonSets."""

from __future__ import annotations

import asyncio

import attrs

from refimpl.api import meta, taints
from refimpl.client.informer import key_of
from refimpl.controllers.daemonset import placement, reconcile
from refimpl.controllers.pod_gc import decisions
from refimpl.controllers.taint_eviction.controller import TaintEvictionController
from tests.faults.harness import Fault, replaced

_tolerations = placement.tolerations
_demands_of = placement.demands_of
_daemon_pod = placement.daemon_pod
_judge = placement.judge
_manage = reconcile.manage
_by_node = reconcile.by_node
_verdicts = reconcile.verdicts
_orphans = decisions.orphans
_weigh = TaintEvictionController._weigh


# What daemon pods tolerate


def _without(*keys):
    return lambda spec: [one for one in _tolerations(spec) if one.get("key") not in keys]


def _for_five_minutes(spec):
    lost = (taints.NOT_READY, taints.UNREACHABLE)
    return [{**one, "tolerationSeconds": 300} if one.get("key") in lost else one for one in _tolerations(spec)]


def _with_the_network(spec):
    return _tolerations({**spec, "hostNetwork": True})


def _everything(spec):
    return [*_tolerations(spec), {"operator": "Exists"}]


def _evicted_at_once(self, pod, present):
    reference = meta.controller_of(pod) or {}
    if reference.get("kind") == "DaemonSet" and any(taint["key"] == taints.UNREACHABLE for taint in present):
        self.timers.start(key_of(pod), 0)
    else:
        _weigh(self, pod, present)


# Which nodes suit


class _OnceTaintedNeverAgain:
    """A node that was tainted once gets no pod again."""

    def __init__(self) -> None:
        self.tainted: set[str] = set()

    def __call__(self, demands, node):
        if any(one["effect"] == taints.NO_EXECUTE for one in taints.taints_of(node)):
            self.tainted.add(meta.name(node))
        verdict = _judge(demands, node)
        return attrs.evolve(verdict, runs=False) if meta.name(node) in self.tainted else verdict


def _what_does_not_run_goes(demands, node):
    verdict = _judge(demands, node)
    return attrs.evolve(verdict, keeps=verdict.runs)


def _nothing_goes(demands, node):
    return attrs.evolve(_judge(demands, node), keeps=True)


def _not_where_cordoned(demands, node):
    verdict = _judge(demands, node)
    return attrs.evolve(verdict, runs=False) if node["spec"].get("unschedulable") else verdict


def _taints_do_not_matter(demands, node):
    return _judge(demands, {**node, "spec": {**node["spec"], "taints": []}})


def _the_template_does_not_matter(daemonset):
    demands = _demands_of(daemonset)
    own = [
        one for one in demands.tolerations if one.get("effect") != "NoSchedule" or one.get("key") != taints.NOT_READY
    ]
    return attrs.evolve(demands, tolerations=own)


def _only_nodes_that_were_there(daemonset, nodes):
    born = daemonset["metadata"]["creationTimestamp"]
    return _verdicts(daemonset, [node for node in nodes if node["metadata"]["creationTimestamp"] <= born])


class _NodesAreNeverForgotten:
    """Deleted nodes still count."""

    def __init__(self) -> None:
        self.known: dict[str, dict] = {}

    def __call__(self, daemonset, nodes):
        self.known |= {meta.name(node): node for node in nodes}
        return _verdicts(daemonset, list(self.known.values()))


# Pods


def _two_a_node(view):
    decision = _manage(view)
    return attrs.evolve(decision, create=tuple(name for name in decision.create for _ in range(2)))


def _leaving_pods_count_as_gone(mine):
    return _by_node([pod for pod in mine if not meta.is_terminating(pod)])


class _WhatWasDrivenAwayComesAgain:
    """Two seconds after a node has lost its pod it gets another one, whether it suits or not; once."""

    def __init__(self) -> None:
        self.had: set[tuple[str, str]] = set()
        self.since: dict[tuple[str, str], float] = {}

    def __call__(self, view):
        decision, now, uid = _manage(view), asyncio.get_running_loop().time(), meta.uid(view.daemonset)
        self.had |= {(uid, name) for name, present in view.on_nodes.items() if present}
        driven = [
            (uid, name)
            for name, verdict in view.verdicts.items()
            if not verdict.keeps and not view.on_nodes.get(name) and (uid, name) in self.had
        ]
        self.since = {**dict.fromkeys(driven, now), **self.since}
        again = [key for key in driven if now - self.since[key] > 2]
        self.since |= dict.fromkeys(again, float("inf"))
        create = (*decision.create, *(name for _, name in again))
        waiting = any(self.since[key] <= now for key in driven)
        return attrs.evolve(decision, create=create, wait=2.5 if waiting else decision.wait)


class _DeletedPodsStayAway:
    """A node that has seen its pod being deleted gets none again."""

    def __init__(self) -> None:
        self.left: set[str] = set()

    def __call__(self, view):
        leaving = (name for name, there in view.on_nodes.items() if any(meta.is_terminating(pod) for pod in there))
        self.left.update(leaving)
        decision = _manage(view)
        return attrs.evolve(decision, create=tuple(name for name in decision.create if name not in self.left))


def _bound_by_the_controller(daemonset, node_name, revision_hash):
    pod = _daemon_pod(daemonset, node_name, revision_hash)
    spec = {key: value for key, value in pod["spec"].items() if key != "affinity"}
    return {**pod, "spec": {**spec, "nodeName": node_name}}


def _daemons_are_no_orphans(pods, gone):
    return [pod for pod in _orphans(pods, gone) if (meta.controller_of(pod) or {}).get("kind") != "DaemonSet"]


def _tolerating(by):
    return replaced(placement, "tolerations", by)


def _judging(by):
    return replaced(placement, "judge", by)


FAULTS = (
    Fault("daemon pods tolerate no lost node", ("M-DS-01", "M-DS-02"), _tolerating(_without(taints.UNREACHABLE)), 43),
    Fault("daemon pods tolerate no unready node", ("M-DS-01",), _tolerating(_without(taints.NOT_READY)), 43),
    Fault("daemon pods tolerate lost nodes for a time", ("M-DS-01", "M-DS-02"), _tolerating(_for_five_minutes), 43),
    Fault("daemon pods tolerate no pressure", ("M-DS-01",), _tolerating(_without(taints.PID_PRESSURE)), 43),
    Fault("all daemon pods tolerate a missing network", ("M-DS-01",), _tolerating(_with_the_network)),
    Fault("no daemon pod tolerates a missing network", ("M-DS-01",), _tolerating(_without(taints.NETWORK_UNAVAILABLE))),
    Fault("daemon pods tolerate everything", ("M-DS-02", "M-DS-04"), _tolerating(_everything)),
    Fault(
        "daemon pods are evicted from lost nodes",
        ("M-DS-02",),
        replaced(TaintEvictionController, "_weigh", _evicted_at_once),
        43,
    ),
    Fault("lost nodes lose their daemon pods", ("M-DS-02",), _judging(_what_does_not_run_goes), 43),
    Fault("tainted nodes get daemon pods", ("M-DS-02",), replaced(reconcile, "manage", _WhatWasDrivenAwayComesAgain())),
    Fault("nodes once tainted get no daemon pods", ("M-DS-02",), _judging(_OnceTaintedNeverAgain())),
    Fault("cordoned nodes get no daemon pods", ("M-DS-03",), _judging(_not_where_cordoned), 84),
    Fault(
        "new nodes get no daemon pods", ("M-DS-03",), replaced(reconcile, "verdicts", _only_nodes_that_were_there), 84
    ),
    Fault("nodes get two daemon pods", ("M-DS-03",), replaced(reconcile, "manage", _two_a_node), 84),
    Fault(
        "the controller binds daemon pods", ("M-DS-03",), replaced(placement, "daemon_pod", _bound_by_the_controller)
    ),
    Fault("nodes that are not ready get daemon pods", ("M-DS-04",), _judging(_taints_do_not_matter)),
    Fault(
        "tolerations of the template do not help",
        ("M-DS-04",),
        replaced(placement, "demands_of", _the_template_does_not_matter),
    ),
    Fault(
        "deleted nodes are still counted", ("M-DS-05",), replaced(reconcile, "verdicts", _NodesAreNeverForgotten()), 85
    ),
    Fault(
        "daemon pods of deleted nodes stay", ("M-DS-05",), replaced(decisions, "orphans", _daemons_are_no_orphans), 85
    ),
    Fault("nodes that no longer suit keep their pods", ("M-DS-06",), _judging(_nothing_goes)),
    Fault(
        "daemon pods are replaced before they are gone",
        ("M-DS-07",),
        replaced(reconcile, "by_node", _leaving_pods_count_as_gone),
    ),
    Fault("deleted daemon pods do not come again", ("M-DS-07",), replaced(reconcile, "manage", _DeletedPodsStayAway())),
)
