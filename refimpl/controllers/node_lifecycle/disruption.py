"""Master disruption: when no node anywhere is ready, the fault is more likely the master's own, and nobody is evicted.

Source: kube-controller-manager 1.36 `node_lifecycle_controller.handleDisruption`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import attrs

from refimpl.controllers.node_lifecycle.zones import Zone, ZoneState


class Step(Enum):
    """What a pass does about disruption."""

    NOTHING = "nothing"
    ENTER = "stop evictions and take the NoExecute taints off"
    LEAVE = "renew every node's grace and set the rates anew"
    ADJUST = "set the rate of zones whose state changed"


@attrs.frozen
class Decision:
    """What to do, and the zones' states afterwards.

    Attributes:
        step: what to do.
        states: every counted zone's state, to be remembered; zones without counted nodes are forgotten.
        changed: zones whose rate is to be set according to their new state.
    """

    step: Step
    states: Mapping[Zone, ZoneState]
    changed: tuple[Zone, ...] = ()


def decide(before: Mapping[Zone, ZoneState], found: Mapping[Zone, ZoneState]) -> Decision:
    """Compares the states remembered with the ones just found.

    Args:
        before: remembered since the last pass.
        found: of the zones with at least one counted node.
    """
    kept = {zone: state for zone, state in before.items() if zone in found}
    kept |= {zone: ZoneState.INITIAL for zone in found if zone not in kept}
    all_were_down, all_are_down = is_total(kept), is_total(found)
    if all_are_down and all_were_down:
        return Decision(Step.NOTHING, kept)
    if all_are_down:
        return Decision(Step.ENTER, dict.fromkeys(kept, ZoneState.FULL_DISRUPTION))
    after = {zone: found[zone] for zone in kept}
    if all_were_down:
        return Decision(Step.LEAVE, after, tuple(kept))
    return Decision(Step.ADJUST, after, tuple(zone for zone in kept if kept[zone] is not found[zone]))


def is_total(states: Mapping[Zone, ZoneState]) -> bool:
    """Whether every zone is down (true of no zones at all: then there is nothing to stop)."""
    return all(state is ZoneState.FULL_DISRUPTION for state in states.values())
