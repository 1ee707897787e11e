"""Removes what an interrupted run left behind, found by the run's label and nothing else."""

from __future__ import annotations

from conformance import kinds
from conformance.client import ApiClient, ApiRefused
from conformance.clock import SuiteClock
from conformance.drive.ledger import Ledger
from conformance.kinds import Kind
from conformance.naming import RUN_LABEL

KINDS: tuple[Kind, ...] = (
    kinds.DEPLOYMENT,
    kinds.REPLICATION_CONTROLLER,
    kinds.REPLICA_SET,
    kinds.DAEMON_SET,
    kinds.STATEFUL_SET,
    kinds.JOB,
    kinds.SERVICE,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.POD_DISRUPTION_BUDGET_BETA,
    kinds.POD,
    kinds.NODE,
    kinds.LEASE,
    kinds.RUNTIME_CLASS,
    kinds.PRIORITY_CLASS,
    kinds.NAMESPACE,
)


async def clean_up(client: ApiClient, run: str, clock: SuiteClock) -> tuple[int, list[str]]:
    """Deletes everything that carries a run's label.

    Args:
        client: of the cluster.
        run: the run's identifier, or `*` for all runs there ever were.
        clock: for the patience.

    Returns:
        How many objects were found, and what could not be deleted.

    Raises:
        NoAnswer: the cluster does not answer.
    """
    selector = RUN_LABEL if run == "*" else f"{RUN_LABEL}={run}"
    ledger = Ledger(run, selector)
    for kind in KINDS:
        try:
            listing = await client.get(kind.path(), labelSelector=selector)
        except ApiRefused as error:
            if error.status == 404:
                continue
            raise
        for item in listing.get("items") or []:
            ledger.add(kind, item)
    found = len(ledger)
    return found, await ledger.clean_up(client, clock)
