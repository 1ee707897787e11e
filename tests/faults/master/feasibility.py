"""Faults in where pods may go: selectors, affinity, taints, cordons, conditions."""

from __future__ import annotations

from functools import partial

from refimpl.api import nodeselectors, taints
from refimpl.api.meta import condition
from refimpl.api.nodeselectors import NodeAffinity
from refimpl.scheduler import filters, nodeinfo
from tests.faults.harness import Fault, replaced

_expression = nodeselectors.expression_matches
_matches = NodeAffinity.matches
_tolerates = taints.tolerates
_run_filters = filters.run_filters
_toleration = filters.taint_toleration


def _any_node(self, node):
    return True


def _no_selector(self, node):
    return self.required is None or nodeselectors.node_selector_matches(self.required, node)


def _no_affinity(self, node):
    return _matches(NodeAffinity(self.labels, None), node)


def _any_label(self, node):
    labels = node["metadata"].get("labels") or {}
    if self.labels and not any(labels.get(key) == value for key, value in self.labels):
        return False
    return self.required is None or nodeselectors.node_selector_matches(self.required, node)


def _every_term(selector, node):
    return all(nodeselectors.term_matches(term, node) for term in selector["nodeSelectorTerms"])


def _any_expression(term, node):
    labels = node["metadata"].get("labels") or {}
    fields = term.get("matchFields") or ()
    own = any(_expression(one, labels) for one in term.get("matchExpressions") or ())
    return own or any(nodeselectors._field_matches(one, node) for one in fields)


def _compared_as_text(expression, labels):
    value, operator = labels.get(expression["key"]), expression["operator"]
    if operator == "Gt":
        return value is not None and value > expression["values"][0]
    if operator == "Lt":
        return value is not None and value < expression["values"][0]
    return _expression(expression, labels)


def _read_as(operator, other):
    def matches(expression, labels):
        changed = {**expression, "operator": other} if expression["operator"] == operator else expression
        return _expression(changed, labels)

    return matches


def _or_equal(expression, labels):
    same = labels.get(expression["key"]) in (expression.get("values") or ())
    return _expression(expression, labels) or (same and expression["operator"] in ("Gt", "Lt"))


def _any_name(_field, _node):
    return True


def _no_name(_field, _node):
    return False


def _hard(*effects):
    return lambda taint: taint["effect"] in effects


def _whatever_value(toleration, taint):
    return _tolerates({**toleration, "operator": "Exists"}, taint)


def _whatever_effect(toleration, taint):
    return _tolerates({**toleration, "effect": ""}, taint)


def _whatever_key(toleration, taint):
    return _tolerates({**toleration, "key": ""}, taint)


def _exact_effect(toleration, taint):
    return _tolerates(toleration, taint) and toleration.get("effect") == taint["effect"]


def _one_suffices(pod, node):
    tolerated = [taint for taint in node.hard_taints if taints.first_tolerating(pod.asks.tolerations, taint)]
    own = [taint for taint in node.hard_taints if not taint["key"].startswith("node-contract.dev/run")]
    if own and not any(taint in tolerated for taint in own):
        return filters.Rejection("TaintToleration", ("node(s) had untolerated taint(s)",), unresolvable=True)
    return None


def _refused(text):
    return filters.Rejection("NodeConditions", (text,), unresolvable=True)


def _cordon_is_absolute(pod, node):
    return _refused("node(s) were unschedulable") if node.unschedulable else None


def _by_condition(*kinds):
    def run(pod, node):
        if any(_in_trouble(node.node, kind) for kind in kinds):
            return _refused("node(s) were in trouble")
        return _run_filters(pod, node)

    return run


def _in_trouble(node, kind):
    found = condition(node, kind)
    return found is not None and (found["status"] == "True") != (kind == "Ready")


def _all_but(*keys):
    def keeps_away(taint):
        return taint["effect"] != "PreferNoSchedule" and taint["key"] not in keys

    return keeps_away


def _guaranteed_may(pod, node):
    if pod.asks.requests:
        pod_ok = [*pod.asks.tolerations, {"key": taints.MEMORY_PRESSURE, "operator": "Exists"}]
        untolerated = [taint for taint in node.hard_taints if not taints.first_tolerating(pod_ok, taint)]
        return _refused("node(s) had untolerated taint(s)") if untolerated else None
    return _toleration(pod, node)


_selecting = partial(replaced, NodeAffinity, "matches")
_comparing = partial(replaced, nodeselectors, "expression_matches")
_tolerating = partial(replaced, taints, "tolerates")
_keeping = partial(replaced, nodeinfo, "keeps_away")
_cordoning = partial(replaced, filters, "node_unschedulable")
_filtering = partial(replaced, filters, "run_filters")
_tainting = partial(replaced, filters, "taint_toleration")

FAULTS = [
    Fault("selectors are ignored", ("M-SCHED-01",), _selecting(_any_node), 71),
    Fault("nodeSelector is ignored", ("M-SCHED-01",), _selecting(_no_selector), 71),
    Fault("node affinity is ignored", ("M-SCHED-01",), _selecting(_no_affinity), 71),
    Fault("any label suffices", ("M-SCHED-01",), _selecting(_any_label), 71),
    Fault("all terms must match", ("M-SCHED-01",), replaced(nodeselectors, "node_selector_matches", _every_term), 71),
    Fault("any expression suffices", ("M-SCHED-01",), replaced(nodeselectors, "term_matches", _any_expression)),
    Fault("sizes compared as texts", ("M-SCHED-01",), _comparing(_compared_as_text)),
    Fault("Gt and Lt include equality", ("M-SCHED-01",), _comparing(_or_equal)),
    Fault("Lt read as Gt", ("M-SCHED-01",), _comparing(_read_as("Lt", "Gt"))),
    Fault("NotIn read as In", ("M-SCHED-01",), _comparing(_read_as("NotIn", "In"))),
    Fault("DoesNotExist read as Exists", ("M-SCHED-01",), _comparing(_read_as("DoesNotExist", "Exists"))),
    Fault("names are ignored", ("M-SCHED-01",), replaced(nodeselectors, "_field_matches", _any_name)),
    Fault("names never match", ("M-SCHED-01",), replaced(nodeselectors, "_field_matches", _no_name)),
    Fault("NoSchedule is ignored", ("M-SCHED-02", "M-SCHED-04", "M-SCHED-25"), _keeping(_hard("NoExecute")), 68),
    Fault("NoExecute is ignored", ("M-SCHED-02",), _keeping(_hard("NoSchedule")), 68),
    Fault(
        "PreferNoSchedule is hard",
        ("M-SCHED-02",),
        _keeping(_hard("NoSchedule", "NoExecute", "PreferNoSchedule")),
        69,
    ),
    Fault("a toleration's value is ignored", ("M-SCHED-02",), _tolerating(_whatever_value)),
    Fault("a toleration's effect is ignored", ("M-SCHED-02",), _tolerating(_whatever_effect)),
    Fault("a toleration's key is ignored", ("M-SCHED-02",), _tolerating(_whatever_key)),
    Fault("a toleration needs an effect", ("M-SCHED-02", "M-SCHED-04"), _tolerating(_exact_effect)),
    Fault("one tolerated taint suffices", ("M-SCHED-25",), _tainting(_one_suffices)),
    Fault("a cordon cannot be tolerated", ("M-SCHED-03",), _cordoning(_cordon_is_absolute)),
    Fault("unready nodes take nobody", ("M-SCHED-04",), _filtering(_by_condition("Ready")), 70),
    Fault("pressed nodes take nobody", ("M-SCHED-25",), _filtering(_by_condition("DiskPressure")), 70),
    Fault("nodes without network take nobody", ("M-SCHED-25",), _filtering(_by_condition("NetworkUnavailable")), 70),
    Fault("PID pressure keeps nobody away", ("M-SCHED-25",), _keeping(_all_but(taints.PID_PRESSURE))),
    Fault("requests tolerate memory pressure", ("M-ADM-08",), _tainting(_guaranteed_may)),
]
