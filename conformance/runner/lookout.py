"""Which features a session looks for, and what it has found out about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import attrs

from conformance.claims import NOT_LOOKED, Claim, Presence, Sign
from conformance.drive.scenarios.master.canary import SOUGHT, sent_for
from conformance.features import FEATURES, Feature
from conformance.given.declared import Declared
from conformance.judge import canary
from conformance.judge.seen import Seen
from conformance.kinds import Kind
from conformance.scenario import Scenario
from conformance.target import Facts
from conformance.verdict import SuiteError, Unsupported


class Lookout:
    """Sends the canary for the features in question.

    Args:
        needed: features that the chosen cases need.
        declared: what was declared of the target.

    Attributes:
        scenario: the canary; None when there is nothing to look for.
        facts: what discovery listed, before declarations took anything away.
    """

    def __init__(self, needed: Iterable[Feature], declared: Declared) -> None:
        self._needed = tuple(feature.name for feature in needed)
        self._declared = declared
        self._names = tuple(name for name in FEATURES if name in self._needed or name in declared.features)
        self._sought = tuple(name for name in SOUGHT if name in declared.features or self._in_question(name))
        self.scenario: Scenario | None = sent_for(self._sought) if self._sought else None
        self.facts = Facts("", 0)

    def _in_question(self, name: str) -> bool:
        return name in self._needed and FEATURES[name].canary

    @property
    def kinds(self) -> frozenset[Kind]:
        """Kinds that discovery must be asked about."""
        return frozenset(kind for name in self._names for kind in FEATURES[name].kinds)

    def reduced(self, facts: Facts) -> Facts:
        """The facts without what is declared absent; those given are kept."""
        self.facts = facts
        absent = [name for name, there in self._declared.features.items() if not there]
        gone = {kind.resource for name in absent for kind in FEATURES[name].kinds}
        return attrs.evolve(facts, resources=facts.resources - gone)

    async def claim(self, name: str, fate: Callable[[Scenario], Awaitable[Seen]]) -> Claim:
        """What the target claims of one feature.

        Args:
            name: of the feature.
            fate: waits for a scenario that plays.
        """
        declared = self._declared
        return Claim(
            feature=FEATURES[name],
            sign=await self._sign(name, fate),
            declared=declared.features.get(name),
            by=declared.origins.get(name, ""),
            needed=name in self._needed,
        )

    async def claims(self, fate: Callable[[Scenario], Awaitable[Seen]]) -> tuple[Claim, ...]:
        """What the target claims of all features that are needed or declared."""
        return tuple([await self.claim(name, fate) for name in self._names])

    async def _sign(self, name: str, fate: Callable[[Scenario], Awaitable[Seen]]) -> Sign:
        kinds = FEATURES[name].kinds
        served = [kind.resource for kind in kinds if self.facts.serves(kind.resource)]
        if kinds and not served:
            return Sign(Presence.UNSERVED, f"discovery does not list {' or '.join(kind.resource for kind in kinds)}")
        if name in self._sought and self.scenario is not None:
            try:
                return canary.signs(await fate(self.scenario), (name,))[name]
            except (SuiteError, Unsupported) as error:
                return Sign(Presence.UNKNOWN, f"the canary could not look: {error}")
        return Sign(Presence.SEEN, f"discovery lists {' and '.join(served)}") if served else NOT_LOOKED
