"""The parts of Kubernetes that a master may be without, and the requirements that bind only where they are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from conformance import kinds
from conformance.catalogue import Requirement
from conformance.kinds import Kind


@attrs.frozen
class Feature:
    """One such part.

    Attributes:
        name: as target files and `--without` call it.
        title: for people.
        profiles: requirements with one of these profiles need it.
        groups: requirements whose ids begin so need it.
        kinds: kinds that a target which declares to be without it is taken not to serve.
        expected: whether a Kubernetes master has it unless it says otherwise.
        canary: whether a canary decides about a target that declares nothing; otherwise its requirements simply bind.
    """

    name: str
    title: str
    profiles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    expected: bool = True
    canary: bool = False

    def binds(self, requirement: Requirement) -> bool:
        """Whether a requirement needs it."""
        return requirement.profile in self.profiles or requirement.id.startswith(self.groups or "-")


_ALL = (
    Feature("scheduler", "a scheduler", profiles=("scheduler",), canary=True),
    Feature(
        "replication",
        "a controller of ReplicationControllers",
        profiles=("replication",),
        kinds=(kinds.REPLICATION_CONTROLLER,),
        canary=True,
    ),
    Feature(
        "endpoints",
        "a controller of Endpoints",
        groups=("M-RDY-04", "M-RDY-05"),
        kinds=(kinds.ENDPOINTS, *kinds.ENDPOINT_SLICE.versions),
        canary=True,
    ),
    Feature(
        "daemonset",
        "a controller of DaemonSets",
        profiles=("daemonset",),
        kinds=(kinds.DAEMON_SET,),
        canary=True,
    ),
    Feature("lease", "Leases", kinds=(kinds.LEASE,)),
    Feature("lifecycle", "a node lifecycle controller", groups=("M-HB-", "M-NR-", "M-TAINT-", "M-RDY-", "M-ZONE-")),
    Feature("eviction", "a controller that evicts pods by taint", groups=("M-EV-",)),
    Feature("authorization", "an authorizer of nodes", profiles=("auth",), expected=False),
)

FEATURES: Mapping[str, Feature] = {feature.name: feature for feature in _ALL}
"""All features by name."""


def needed(requirements: Iterable[Requirement]) -> tuple[Feature, ...]:
    """The features that some requirements need, in the order of the table."""
    chosen = list(requirements)
    return tuple(feature for feature in _ALL if any(feature.binds(requirement) for requirement in chosen))
