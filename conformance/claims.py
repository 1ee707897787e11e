"""What a target claims: what was declared of it, held against what discovery and a canary show."""

from __future__ import annotations

import enum

import attrs

from conformance.features import Feature
from conformance.verdict import NotExercised, Unsupported


class Presence(enum.Enum):
    """What was seen of a feature."""

    SEEN = "seen"
    ABSENT = "absent"
    BLOCKED = "blocked"
    """It is there, but something else keeps it from its work."""
    UNSERVED = "not served"
    """Discovery does not list it: the target itself says that it has none."""
    UNKNOWN = "unknown"


@attrs.frozen
class Sign:
    """What was seen of a feature, and how."""

    presence: Presence
    why: str


NOT_LOOKED = Sign(Presence.UNKNOWN, "nobody looked")


@attrs.frozen
class Claim:
    """One feature of one target.

    Attributes:
        feature: which.
        sign: what was seen of it.
        declared: whether the target has it by declaration; None when nothing was declared.
        by: where that was declared.
        needed: whether a chosen case needs it.
    """

    feature: Feature
    sign: Sign
    declared: bool | None = None
    by: str = ""
    needed: bool = True

    def objection(self) -> Unsupported | NotExercised | None:
        """Why cases that need the feature are not asked; None when they are."""
        if self.declared is False:
            return Unsupported(f"{self.feature.name} is declared absent ({self.by})")
        if self.sign.presence is Presence.BLOCKED:
            return NotExercised(self.sign.why)
        if self.sign.presence is Presence.UNSERVED:
            return Unsupported(self.sign.why)
        if self.declared is None and self.sign.presence is Presence.ABSENT and self.feature.canary:
            return Unsupported(self.sign.why)
        return None

    def contradiction(self) -> str:
        """How what was declared and what was seen differ; empty when they do not."""
        if self.declared is False and self.sign.presence in (Presence.SEEN, Presence.BLOCKED):
            return f"{self.feature.name} is declared absent ({self.by}), but is there: {self.sign.why}"
        if self.declared and self.sign.presence in (Presence.ABSENT, Presence.UNSERVED):
            return f"{self.feature.name} is declared present ({self.by}), but is not there: {self.sign.why}"
        return ""

    def undeclared(self) -> str:
        """What is missing although every Kubernetes has it, and nobody said so; empty when nothing is.

        A run without it is not green: perhaps it has only broken down.
        """
        missing = self.sign.presence is Presence.ABSENT and self.declared is None
        if not (missing and self.needed and self.feature.expected and self.feature.canary):
            return ""
        return (
            f"{self.sign.why}; if this master is meant to be without {self.feature.title}, say so: "
            f"--without {self.feature.name}"
        )
