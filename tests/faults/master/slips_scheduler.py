"""Slips of the pen in the scheduler: one expression each is not what it should be."""

from __future__ import annotations

from refimpl.api import nodeselectors, podresources
from refimpl.scheduler import eventhandlers, filters, podinfo, preemption
from refimpl.scheduler.nodeinfo import NodeInfo
from tests.faults.harness import Fault, replaced, slip, together


def _port(written, meant):
    return slip(podinfo, "_asks", written, meant)


FAULTS = [
    Fault(
        "terminating pods have no slot",
        ids=("M-SCHED-15",),
        patch=slip(
            filters,
            "has_free_slot",
            "len(node.pods)",
            "sum(not pod.terminating for pod in node.pods.values())",
        ),
    ),
    Fault(
        "memory is never given back",
        ids=("M-SCHED-14",),
        patch=slip(NodeInfo, "remove_pod", "-= amount", '-= amount if name != "memory" else 0'),
    ),
    Fault(
        "overhead counts where something is requested",
        ids=("M-SCHED-08",),
        patch=slip(
            podresources,
            "_effective",
            "add(total, overhead)",
            "add(total, {name: amount for name, amount in overhead.items() if name in total})",
        ),
    ),
    Fault(
        "huge pages are free",
        ids=("M-SCHED-29",),
        patch=slip(
            filters,
            "insufficient_resources",
            "if wanted > 0 and",
            'if not name.startswith("hugepages-") and wanted > 0 and',
        ),
    ),
    Fault(
        "tolerations for a time do not count",
        ids=("M-SCHED-02",),
        patch=slip(
            filters,
            "taint_toleration",
            "pod.asks.tolerations",
            '[own for own in pod.asks.tolerations if "tolerationSeconds" not in own]',
        ),
    ),
    Fault(
        "ports of the first container",
        ids=("M-SCHED-19",),
        patch=_port('[*spec["containers"], *sidecars]', '[*spec["containers"][:1], *sidecars]'),
    ),
    Fault(
        "ports of init containers",
        ids=("M-SCHED-19",),
        patch=_port("*sidecars]", '*(spec.get("initContainers") or ())]'),
    ),
    Fault("no ports of sidecars", ids=("M-SCHED-19",), patch=_port(", *sidecars]", "]")),
    Fault(
        "the first port of a container",
        ids=("M-SCHED-19",),
        patch=slip(podinfo, "host_ports_of", 'container.get("ports") or ()', '(container.get("ports") or ())[:1]'),
    ),
    Fault(
        "a third protocol is the first",
        ids=("M-SCHED-19",),
        patch=slip(
            podinfo,
            "host_ports_of",
            'port.get("protocol") or "TCP"',
            '{"UDP": "UDP"}.get(port.get("protocol"), "TCP")',
        ),
    ),
    Fault(
        "NotIn needs the label",
        ids=("M-SCHED-01",),
        patch=slip(
            nodeselectors, "expression_matches", "value is None or value not in", "value is not None and value not in"
        ),
    ),
    Fault(
        "In looks at the first value",
        ids=("M-SCHED-01",),
        patch=slip(nodeselectors, "expression_matches", "value is not None and value in values", "value in values[:1]"),
    ),
    Fault(
        "a term without demands suits all",
        ids=("M-SCHED-01",),
        patch=slip(nodeselectors, "term_matches", "return False", "return True"),
    ),
    Fault(
        "an empty label does not exist",
        ids=("M-SCHED-01",),
        patch=slip(
            nodeselectors,
            "expression_matches",
            'case "Exists":\n            return value is not None',
            'case "Exists":\n            return bool(value)',
        ),
    ),
    Fault(
        "names do not count beside labels",
        ids=("M-SCHED-01",),
        patch=slip(
            nodeselectors, "term_matches", "for field in fields", "for field in (() if expressions else fields)"
        ),
    ),
    Fault(
        "terminating pods have no ports",
        ids=("M-SCHED-15",),
        patch=together(
            slip(NodeInfo, "add_pod", "pod.asks.host_ports", "() if pod.terminating else pod.asks.host_ports"),
            slip(NodeInfo, "remove_pod", "in pod.asks.host_ports", "in () if pod.terminating else pod.asks.host_ports"),
        ),
    ),
    Fault(
        "all lower ranks have to go",
        ids=("M-SCHED-24",),
        patch=replaced(preemption._Trial, "reprieve", lambda *_: False),
    ),
    Fault("sizes are what is wanted", ids=("M-SCHED-26",), patch=replaced(podresources, "reported", lambda _pod: {})),
    Fault(
        "sizes are what was allocated",
        ids=("M-SCHED-26",),
        patch=slip(
            podresources,
            "_effective",
            "raise_to(asked, held_by(report))",
            'asked = parse(report["allocatedResources"])',
        ),
    ),
    Fault(
        "sizes are what is wanted and allocated",
        ids=("M-SCHED-26",),
        patch=slip(
            podresources, "held_by", 'raise_to(held, parse((report.get("resources") or {}).get("requests")))', "pass"
        ),
    ),
    Fault(
        "a shrunk pod leaves no room",
        ids=("M-SCHED-26",),
        patch=replaced(eventhandlers, "resize_reports", lambda _pod: None),
    ),
]
