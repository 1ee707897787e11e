"""What a run goes by besides its target: seed, settings, what to leave out, what is known and declared."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from conformance.catalogue import Requirement
from conformance.features import FEATURES
from conformance.given.baseline import Baseline
from conformance.given.declared import Declared


@attrs.frozen
class Limits:
    """What the user leaves out.

    Attributes:
        max_wait: scenarios that may take longer, in seconds, are not played.
        without: profiles of requirements, or features, that the target does not claim.
        allow_hazards: play even where something may act on simulated nodes.
    """

    max_wait: float | None = None
    without: frozenset[str] = frozenset()
    allow_hazards: bool = False


@attrs.frozen
class Terms:
    """Everything that options decide about a run.

    Attributes:
        seed: of all random choices.
        given: timing settings by field, as options give them; they override what target and target file declare.
        limits: what the user leaves out.
        baseline: failures that are accepted.
        declared: what the target file says.
        repeat: options that repeat what is not said here, such as the target file.
    """

    seed: int = 0
    given: Mapping[str, float] = attrs.field(factory=dict)
    limits: Limits = attrs.field(factory=Limits)
    baseline: Baseline = attrs.field(factory=Baseline)
    declared: Declared = attrs.field(factory=Declared)
    repeat: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, float]:
        """All timing settings that were declared."""
        return {**self.declared.timing, **self.given}

    def claimed(self) -> Declared:
        """What is declared of the target, in its file and by options."""
        return self.declared.without(sorted(self.limits.without))

    def left_out(self, requirement: Requirement) -> str:
        """Why a requirement is not asked for by option; empty when it is."""
        if requirement.profile in self.limits.without - FEATURES.keys():
            return f"declared by --without {requirement.profile}"
        return ""
