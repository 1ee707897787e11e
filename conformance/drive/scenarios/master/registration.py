"""Nodes come with labels of old and new spelling, and one goes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.drive.stage import Stage
from conformance.judge import events
from conformance.kinds import EVENT, NODE
from conformance.scenario import scenario
from conformance.timing import Timing

OS, BETA_OS = "kubernetes.io/os", "beta.kubernetes.io/os"
ARCH, BETA_ARCH = "kubernetes.io/arch", "beta.kubernetes.io/arch"

LABELS: Mapping[str, Mapping[str, str]] = {
    "labelled": {OS: "suite-os", ARCH: "suite-arch"},
    "contradicting": {OS: "suite-os", BETA_OS: "another-os", ARCH: "suite-arch", BETA_ARCH: "another-arch"},
    "old-fashioned": {BETA_OS: "suite-os", BETA_ARCH: "suite-arch"},
}
"""Values that no daemon selects on."""

RELABELLED = {OS: "suite-os-2"}
"""What becomes of a label of `labelled`."""


def _longest(timing: Timing) -> float:
    return 2 * timing.node_event().latest + 2 * timing.labels_reconciled().latest + 3 * timing.slack


@scenario(watches=(NODE, EVENT), longest=_longest)
async def registration(stage: Stage) -> None:
    """Nodes register; the labels of one change; another is deleted.

    `labelled` has os and arch labels of the stable spelling only, and later changes one; `contradicting` of both
    spellings, with different values; `old-fashioned` of the beta spelling only. `visitor` is deleted.
    """
    timing = stage.timing
    visitor = await stage.node("visitor")
    for role, labels in LABELS.items():
        await stage.node(role, labels=labels)
    await stage.until(lambda: _said(stage, "visitor", "RegisteredNode"), within=timing.node_event().latest)
    await stage.until(lambda: _agree(stage), within=timing.labels_reconciled().latest)
    with stage.request("relabelling"):
        await stage.patch(NODE, "labelled", {"metadata": {"labels": RELABELLED}})
    await visitor.fall_silent()
    stage.mark("visitor is deleted")
    await stage.delete(NODE, "visitor")
    stage.mark("visitor deleted")
    await stage.until(lambda: _said(stage, "visitor", "RemovingNode"), within=timing.node_event().latest)
    await stage.until(lambda: _agree(stage), within=timing.labels_reconciled().latest)
    await stage.hold(timing.labels_reconciled().latest)


def _said(stage: Stage, role: str, reason: str) -> bool:
    name = stage.naming.name(role)
    return any(events.about(event) == name and event["reason"] == reason for event in stage.log.all_current(EVENT.name))


def _agree(stage: Stage) -> bool:
    return all(agree(stage.current(NODE, role)) for role in ("labelled", "contradicting"))


def agree(node: Mapping[str, Any] | None) -> bool:
    """Whether a node's beta labels say what its stable ones say."""
    labels = ((node or {}).get("metadata") or {}).get("labels") or {}
    return all(labels.get(beta) == labels.get(stable) for stable, beta in ((OS, BETA_OS), (ARCH, BETA_ARCH)))
