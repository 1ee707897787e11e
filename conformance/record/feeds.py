"""What has to be watched of a kind so that everything that concerns a run is seen."""

from __future__ import annotations

from conformance.kinds import EVENT, LEASE, NODE_LEASES, Kind
from conformance.naming import RUN_LABEL, Naming
from conformance.record.recorder import Feed


def feeds(kind: Kind, naming: Naming, *, guests: bool = False) -> list[Feed]:
    """What to watch so that every object of a kind that concerns the run is seen.

    Args:
        kind: of the objects.
        naming: of the run.
        guests: whether agents join the target: their Leases do not carry the run's label, but names of the run.
    """
    if kind is LEASE and guests:
        return [Feed(kind, NODE_LEASES, names=naming.run_prefix)]
    if kind is EVENT:
        about_nodes = Feed(kind, "default", names=naming.run_prefix)
        return [about_nodes, Feed(kind, naming.namespace)]
    if not kind.labelled:
        return [Feed(kind, naming.namespace)]
    namespace = NODE_LEASES if kind is LEASE else ""
    return [Feed(kind, namespace, labels=f"{RUN_LABEL}={naming.run}")]
