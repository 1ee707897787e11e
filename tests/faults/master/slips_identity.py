"""Slips of the pen in what agents may do: one expression each is not what it should be."""

from __future__ import annotations

from refimpl.api.resources import PODS
from refimpl.apiserver.admission import noderestriction
from refimpl.apiserver.authorization import node
from refimpl.apiserver.authorization.node import NodeAuthorizer
from tests.faults.harness import Fault, replaced, slip, together


def _updates_are_free(ctx, name, old, new):
    if ctx.operation != "UPDATE" or ctx.subresource:
        noderestriction.admit_pod(ctx, name, old, new)


def _slip(attribute, written, meant):
    return slip(noderestriction, attribute, written, meant)


def _authorizer(attribute, written, meant):
    return slip(NodeAuthorizer, attribute, written, meant)


def _all_allowed(*_args, **_more):
    return None


_SECRETS = "graph.needs_secret(node, namespace, name)"
_SELECTS = 'selects(wanted.fields, "spec.nodeName", node)'

FAULTS = [
    Fault(
        "an agent deletes its node",
        ids=("M-AUTH-01",),
        patch=_authorizer("node", '("create", "update", "patch")', '("create", "update", "patch", "delete")'),
    ),
    Fault(
        "a name makes an agent",
        ids=("M-AUTH-01",),
        patch=slip(node, "identity", "NODES_GROUP not in user.groups or ", ""),
    ),
    Fault(
        "an agent takes labels away",
        ids=("M-AUTH-02",),
        patch=_slip("modified", "for key in {**labels, **before} if", "for key in labels if"),
    ),
    Fault(
        "an agent changes labels",
        ids=("M-AUTH-02",),
        patch=_slip("modified", "labels.get(key) != before.get(key)", "key not in labels or key not in before"),
    ),
    Fault(
        "an agent knows no prefixes",
        ids=("M-AUTH-02",),
        patch=_slip("may_label", " or any(below(domain, prefix) for prefix in _KUBELET_PREFIXES)", ""),
    ),
    Fault(
        "labels are the project's that end like them",
        ids=("M-AUTH-02",),
        patch=_slip("below", 'domain.endswith(f".{parent}")', "domain.endswith(parent)"),
    ),
    Fault(
        "labels below those of the project are free",
        ids=("M-AUTH-02",),
        patch=_slip("below", 'domain == parent or domain.endswith(f".{parent}")', "domain == parent"),
    ),
    Fault(
        "an agent deletes the Leases of others",
        ids=("M-AUTH-03",),
        patch=_authorizer("lease", 'wanted.verb != "create" and', 'wanted.verb not in {"create", "delete"} and'),
    ),
    Fault(
        "an agent reads the Leases of others",
        ids=("M-AUTH-05",),
        patch=_authorizer("lease", 'wanted.verb != "create" and', 'wanted.verb not in {"create", "get"} and'),
    ),
    Fault("mirrors refer to secrets", ids=("M-AUTH-03",), patch=replaced(noderestriction, "_NOT_IN_MIRRORS", {})),
    Fault(
        "mirrors are on other nodes",
        ids=("M-AUTH-03",),
        patch=_slip("admit_mirror", "if node_of(pod) != node:", "if False:"),
    ),
    Fault("mirrors are nobody's", ids=("M-AUTH-03",), patch=replaced(noderestriction, "admit_owner", _all_allowed)),
    Fault(
        "mirrors are of a node that was",
        ids=("M-AUTH-03",),
        patch=_slip("admit_owner", 'if owner.get("uid") != meta.uid(known):', "if False:"),
    ),
    Fault(
        "an agent labels pods by their status",
        ids=("M-AUTH-03",),
        patch=_slip("admit_pod_status", "if meta.labels(old) != meta.labels(new):", "if False:"),
    ),
    Fault(
        "an agent changes its pods",
        ids=("M-AUTH-03",),
        patch=together(
            replaced(node, "_POD_WRITES", {**node._POD_WRITES, "": ("create", "delete", "patch")}),
            replaced(noderestriction, "_RULES", {**noderestriction._RULES, PODS: _updates_are_free}),
        ),
    ),
    Fault("an agent reads all secrets", ids=("M-AUTH-04",), patch=_authorizer("related", _SECRETS, "True")),
    Fault("an agent reads no secrets", ids=("M-AUTH-04",), patch=_authorizer("related", _SECRETS, "False")),
    Fault(
        "an agent reads all nodes", ids=("M-AUTH-05",), patch=_authorizer("node", "if wanted.name == node:", "if True:")
    ),
    Fault(
        "an agent lists all pods",
        ids=("M-AUTH-05",),
        patch=_authorizer("pod", f"if {_SELECTS}:", "if not wanted.name:"),
    ),
    Fault("an agent lists no pods", ids=("M-AUTH-05",), patch=_authorizer("pod", f"if {_SELECTS}:", "if False:")),
    Fault(
        "an agent lists the pods of any node",
        ids=("M-AUTH-05",),
        patch=slip(node, "selects", "required(field) == value", "required(field) is not None"),
    ),
    Fault(
        "an agent reads any pod",
        ids=("M-AUTH-05",),
        patch=_authorizer("pod", "return self.get(node, wanted)", "return ALLOWED"),
    ),
]
