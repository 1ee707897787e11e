"""Names, labels and taints of a run: how everything the suite creates is told from everything else."""

from __future__ import annotations

from typing import Any

import attrs

DOMAIN = "node-contract.dev"
RUN_LABEL = f"{DOMAIN}/run"
SCENARIO_LABEL = f"{DOMAIN}/scenario"
ROLE_LABEL = f"{DOMAIN}/role"
FINALIZER = f"{DOMAIN}/held"
"""Keeps an object that is being deleted, so that its last state can be seen; taken off again by the suite."""
ZONE_LABEL = "failure-domain.beta.kubernetes.io/zone"
"""The legacy zone label: the lifecycle controller prefers it, current workloads ignore it."""


@attrs.frozen
class Naming:
    """The names of one scenario in one run.

    Attributes:
        run: the run's identifier.
        scenario: the scenario's name, as it stands in names.
    """

    run: str
    scenario: str

    @property
    def run_prefix(self) -> str:
        """How every name of the run begins."""
        return f"nc-{self.run}-"

    @property
    def prefix(self) -> str:
        """How every name of the scenario begins."""
        return f"{self.run_prefix}{self.scenario}-"

    @property
    def namespace(self) -> str:
        """The run's namespace."""
        return f"nc-{self.run}"

    def name(self, role: str) -> str:
        """The name of the object that plays a role."""
        return self.prefix + role

    def zone(self, which: str) -> str:
        """The value of the zone label."""
        return f"{self.prefix}zone-{which}"

    def labels(self, role: str) -> dict[str, str]:
        """Labels of every object of the scenario."""
        return {RUN_LABEL: self.run, SCENARIO_LABEL: self.scenario, ROLE_LABEL: role}

    @property
    def selector(self) -> str:
        """Label selector for everything of the scenario."""
        return f"{RUN_LABEL}={self.run},{SCENARIO_LABEL}={self.scenario}"

    @property
    def taint(self) -> dict[str, str]:
        """The taint that keeps everybody else's pods off the suite's nodes."""
        return {"key": RUN_LABEL, "value": self.run, "effect": "NoSchedule"}

    @property
    def toleration(self) -> dict[str, Any]:
        """What lets the suite's own pods onto its nodes."""
        return {"key": RUN_LABEL, "operator": "Equal", "value": self.run, "effect": "NoSchedule"}

    def belongs(self, _namespace: str, name: str) -> bool:
        """Whether an object belongs to the scenario."""
        return name.startswith(self.prefix)
