"""Masters that do not keep agents to their own nodes."""

from __future__ import annotations

from refimpl.apiserver.admission import noderestriction
from refimpl.apiserver.authorization.decisions import ALLOWED
from refimpl.apiserver.authorization.node import NodeAuthorizer, refused
from tests.faults.harness import Fault, replaced, together


def _anything(*_: object, **__: object) -> None:
    """Admits whatever is asked for."""


def _no_taints(ctx, node, new):
    if (new.get("spec") or {}).get("taints"):
        raise noderestriction.refused(ctx, "no taints, please")


def _only_restricted(key: str, *, registering: bool) -> bool:
    return not key.startswith(noderestriction.RESTRICTED)


def _free_at_first(key: str, *, registering: bool) -> bool:
    return registering or not key.startswith((noderestriction.RESTRICTED, "kubernetes.io", "node-contract.k8s.io"))


def _not_even_its_own(self, node, wanted):
    return refused() if wanted.subresource == "status" else ALLOWED


FAULTS = (
    Fault(
        "an agent writes other nodes",
        ids=("M-AUTH-01",),
        patch=replaced(noderestriction, "require_own_node", _anything),
        number=78,
    ),
    Fault(
        "an agent changes its own taints",
        ids=("M-AUTH-01",),
        patch=replaced(noderestriction, "changes_taints", lambda old, new: False),
        number=78,
    ),
    Fault(
        "an agent gives its node away",
        ids=("M-AUTH-01",),
        patch=replaced(noderestriction, "changes_owners", lambda old, new: False),
    ),
    Fault(
        "no agent registers with taints",
        ids=("M-AUTH-01",),
        patch=replaced(noderestriction, "admit_registration", _no_taints),
    ),
    Fault(
        "an agent may not write its own status",
        ids=("M-AUTH-01",),
        patch=replaced(NodeAuthorizer, "node", _not_even_its_own),
    ),
    Fault(
        "an agent labels its node as it likes",
        ids=("M-AUTH-02",),
        patch=replaced(noderestriction, "may_label", lambda key, registering: True),
    ),
    Fault(
        "an agent sets labels of kubernetes.io",
        ids=("M-AUTH-02",),
        patch=replaced(noderestriction, "may_label", _only_restricted),
    ),
    Fault(
        "an agent registers with any label",
        ids=("M-AUTH-02",),
        patch=replaced(noderestriction, "may_label", _free_at_first),
    ),
    Fault(
        "an agent renews the Leases of others",
        ids=("M-AUTH-03",),
        patch=together(
            replaced(noderestriction, "require_own_lease", _anything),
            replaced(NodeAuthorizer, "lease", lambda self, node, wanted: ALLOWED),
        ),
    ),
    Fault(
        "an agent creates the Leases of others",
        ids=("M-AUTH-03",),
        patch=replaced(noderestriction, "require_own_lease", _anything),
    ),
    Fault(
        "an agent writes the status of others' pods",
        ids=("M-AUTH-03",),
        patch=replaced(noderestriction, "admit_pod_status", _anything),
    ),
    Fault(
        "an agent evicts others' pods",
        ids=("M-AUTH-03",),
        patch=replaced(noderestriction, "admit_eviction", _anything),
    ),
    Fault(
        "an agent deletes others' pods",
        ids=("M-AUTH-03",),
        patch=replaced(noderestriction, "admit_deletion", _anything),
    ),
    Fault(
        "an agent creates ordinary pods",
        ids=("M-AUTH-03",),
        patch=replaced(noderestriction, "admit_mirror", _anything),
    ),
)
