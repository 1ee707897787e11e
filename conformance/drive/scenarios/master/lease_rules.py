"""Leases are written in right and in wrong ways."""

from __future__ import annotations

from typing import Any

from conformance.client import MERGE
from conformance.drive.stage import Stage
from conformance.kinds import LEASE, NODE_LEASES
from conformance.scenario import scenario
from conformance.timing import Timing

RENEWED = "2030-01-02T03:04:05.678901Z"
"""A time with all its micro-seconds."""


def _longest(timing: Timing) -> float:
    return 5 * timing.slack


@scenario(watches=(LEASE,), longest=_longest)
async def lease_rules(stage: Stage) -> None:
    """Leases are posted, put, replaced and patched, in right and in wrong ways; they belong to no node."""
    await stage.ask("namespace of the Leases is read", "GET", f"/api/v1/namespaces/{NODE_LEASES}")
    posted = await stage.attempt("Lease is posted", LEASE, _lease(stage, "lease"))
    path = LEASE.path(NODE_LEASES, stage.naming.name("lease"))
    read = await stage.ask("Lease is read", "GET", path)
    if posted.status == 201 and read.status == 200:
        await stage.ask(
            "Lease is replaced", "PUT", path, {**read.body, "spec": {**read.body["spec"], "leaseTransitions": 1}}
        )
        versionless = {k: v for k, v in read.body["metadata"].items() if k != "resourceVersion"}
        await stage.ask("Lease is replaced without version", "PUT", path, {**read.body, "metadata": versionless})
        body = {"spec": {"renewTime": RENEWED.replace("678901", "678902")}}
        await stage.ask("Lease is patched", "PATCH", path, body, content_type=MERGE)
        again = {**read.body, "spec": {**read.body["spec"], "leaseTransitions": 2}}
        await stage.ask("stale Lease is replaced", "PUT", path, again)
        nothing = {"spec": {"leaseDurationSeconds": 0}}
        await stage.ask("Lease is patched to no duration", "PATCH", path, nothing, content_type=MERGE)
    await stage.attempt("Lease of less than no duration", LEASE, _lease(stage, "less-lease", -40))
    await stage.attempt("Lease is put", LEASE, _lease(stage, "put-lease"), method="PUT")
    await stage.attempt("Lease of no duration", LEASE, _lease(stage, "no-lease", 0))


def _lease(stage: Stage, role: str, duration: int = 40) -> dict[str, Any]:
    metadata = {"name": stage.naming.name(role), "namespace": NODE_LEASES, "labels": stage.naming.labels(role)}
    spec = {"holderIdentity": stage.naming.name(role), "leaseDurationSeconds": duration, "renewTime": RENEWED}
    return {"apiVersion": LEASE.group_version, "kind": "Lease", "metadata": metadata, "spec": spec}
