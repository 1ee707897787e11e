"""Slips of the pen in the API server: one expression each is not what it should be."""

from __future__ import annotations

from refimpl.apiserver.admission import namespacelifecycle
from refimpl.apiserver.kinds import leases
from refimpl.apiserver.kinds.leases import Leases
from refimpl.apiserver.kinds.nodes import Nodes
from refimpl.apiserver.kinds.nodes import defaults as node_defaults
from refimpl.apiserver.kinds.nodes import validation as nodes
from refimpl.apiserver.kinds.pods import Pods
from refimpl.apiserver.verbs import create, delete, selection, update, watch
from refimpl.controllers.namespace import content
from refimpl.controllers.namespace import controller as namespaces
from tests.faults.harness import Fault, replaced, slip

_VERSION = "int(given) != entry.revision"
_keep = Pods.prepare_for_status_update


def _tolerations_with_the_status(self, ctx, old, new):
    wanted = new["spec"].get("tolerations")
    _keep(self, ctx, old, new)
    new["spec"] = {**new["spec"], "tolerations": wanted}


async def _nothing_is_deleted(_client, _namespace):
    return namespaces.Remains()


FAULTS = [
    Fault(
        "patches may be stale",
        ids=("M-API-04",),
        patch=slip(update, "check_version", _VERSION, f'call.request.method == "PUT" and {_VERSION}'),
    ),
    Fault(
        "status may be stale",
        ids=("M-API-04",),
        patch=slip(update, "check_version", _VERSION, f"not target.subresource and {_VERSION}"),
    ),
    Fault(
        "whoever has the name is written",
        ids=("M-API-08",),
        patch=slip(update, "keep_metadata", 'if wanted and wanted != before["uid"]', "if False"),
    ),
    Fault(
        "new objects bring their uid",
        ids=("M-API-08",),
        patch=slip(
            create,
            "complete_metadata",
            'metadata["uid"] = call.clock.uid()',
            'metadata.setdefault("uid", call.clock.uid())',
        ),
    ),
    Fault(
        "new objects say since when they are there",
        ids=("M-API-08",),
        patch=slip(
            create,
            "complete_metadata",
            'metadata["creationTimestamp"] = call.clock.timestamp()',
            'metadata.setdefault("creationTimestamp", call.clock.timestamp())',
        ),
    ),
    Fault(
        "new objects may be on their way out",
        ids=("M-API-08",),
        patch=replaced(create, "_SERVER_FIELDS", ("selfLink", "managedFields", "resourceVersion")),
    ),
    Fault(
        "every write is a change", ids=("M-API-09",), patch=replaced(update, "is_unchanged", lambda _old, _new: False)
    ),
    Fault(
        "a pod's status brings tolerations",
        ids=("M-API-02",),
        patch=replaced(Pods, "prepare_for_status_update", _tolerations_with_the_status),
    ),
    Fault(
        "uids are compared where a grace period is given",
        ids=("M-TERM-02",),
        patch=slip(
            delete,
            "check_preconditions",
            "options.uid is not None and",
            "options.uid is not None and options.grace_period is not None and",
        ),
    ),
    Fault(
        "versions of what is deleted do not matter",
        ids=("M-TERM-02",),
        patch=slip(delete, "check_preconditions", "if version is not None and", "if False and"),
    ),
    Fault(
        "pods that are not yet acknowledged have no grace",
        ids=("M-TERM-02",),
        patch=slip(Pods, "grace_period", '{"Succeeded", "Failed"}', '{"Succeeded", "Failed", "Pending"}'),
    ),
    Fault(
        "a namespace that is going takes pods",
        ids=("M-API-10",),
        patch=slip(namespacelifecycle, "require_active", '== "Terminating"', '== "Gone"'),
    ),
    Fault(
        "namespaces go before what is in them",
        ids=("M-API-10",),
        patch=slip(namespaces.NamespaceController, "sync", "if remains.objects:", "if False:"),
    ),
    Fault(
        "what is in a namespace stays",
        ids=("M-API-10",),
        patch=replaced(content, "delete_all", _nothing_is_deleted),
    ),
    Fault(
        "only capacity is checked",
        ids=("M-API-04",),
        patch=slip(
            nodes, "resource_causes", 'quantities.list_causes(status.get("allocatable"), "status.allocatable")', "()"
        ),
    ),
    Fault("new nodes are not checked", ids=("M-API-04",), patch=replaced(Nodes, "validate", lambda *_: ())),
    Fault(
        "a key has one effect",
        ids=("M-API-04",),
        patch=slip(nodes, "taint_causes", "(key, effect) in seen", "key in dict(seen)"),
    ),
    Fault(
        "pod ranges may be taken",
        ids=("M-API-04",),
        patch=slip(nodes, "pod_cidr_change_causes", "if fixed and", 'if fixed and after.get("podCIDRs") and'),
    ),
    Fault(
        "devices are not allocatable by themselves",
        ids=("M-API-03",),
        patch=slip(
            node_defaults,
            "default_allocatable",
            'dict(status["capacity"])',
            '{name: amount for name, amount in status["capacity"].items() if "/" not in name}',
        ),
    ),
    Fault("Leases may come to nothing", ids=("M-API-07",), patch=replaced(Leases, "change_causes", lambda *_: ())),
    Fault(
        "Leases of less than nothing",
        ids=("M-API-07",),
        patch=slip(leases, "spec_causes", "duration <= 0", "duration == 0"),
    ),
    Fault(
        "not equal is equal", ids=("M-API-06",), patch=slip(selection, "_field_test", "is not negated", "is not False")
    ),
    Fault(
        "the first of several fields",
        ids=("M-API-06",),
        patch=slip(
            selection, "_selection", "for term in field_selector.terms]", "for term in field_selector.terms[:1]]"
        ),
    ),
    Fault("any field selects", ids=("M-API-06",), patch=replaced(selection, "_check_field", lambda *_: None)),
    Fault(
        "a watch misses one change",
        ids=("M-API-11",),
        patch=slip(watch, "_backlog", ".since(revision)", ".since(revision)[:-1]"),
    ),
    Fault(
        "a watch lasts for ever",
        ids=("M-API-11",),
        patch=slip(watch.WatchStream, "__init__", "options.timeout or", "0 or"),
        warns=("M-API-11",),
    ),
]
