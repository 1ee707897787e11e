"""Which nodes a pod may go to: labels, taints, cordons and conditions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from conformance.drive import placing
from conformance.drive.scenarios.master import feasibility_table as table
from conformance.drive.scenarios.master.feasibility_table import Selecting, Tolerating
from conformance.drive.stage import Stage
from conformance.drive.taints import own
from conformance.drive.waits import schedulable
from conformance.judge import taints
from conformance.judge.taints import BY_CONDITION, NO_EXECUTE, NO_SCHEDULE, UNSCHEDULABLE
from conformance.kinds import NODE, POD
from conformance.naming import SCENARIO_LABEL
from conformance.scenario import scenario
from conformance.timing import Timing

TABLE = f"{SCENARIO_LABEL}-table"
"""The label of the nodes that pods select among."""

GUARANTEED = {"cpu": "100m", "memory": "1Mi"}


def _longest(timing: Timing) -> float:
    return 2 * timing.no_schedule_taint().latest + 2 * timing.scheduled().latest + timing.slack


@scenario(watches=(NODE, POD), longest=_longest)
async def feasibility(stage: Stage) -> None:
    """Pods select nodes by their labels, and tolerate or do not tolerate what the nodes are tainted with.

    `cat` and `dog` have labels to choose by. The others have one taint each, of every effect; are cordoned, not ready,
    or have a condition that calls for a taint. The labels by which some pods chose are taken away at the end.
    """
    closed = {effect.lower(): [own("closed", effect, value=table.VALUE)] for effect in _EFFECTS}
    await asyncio.gather(
        *(stage.node(role, labels={**labels, TABLE: "yes"}) for role, labels in table.LABELS.items()),
        *(stage.node(role, taints=given) for role, given in closed.items()),
        *(stage.node(role, conditions=dict.fromkeys(given, "True")) for role, given in table.TROUBLES.items()),
        stage.node("cordoned"),
        stage.node("unready", ready="False"),
    )
    await stage.patch(NODE, "cordoned", {"spec": {"unschedulable": True}})
    await schedulable(stage, *table.LABELS, *closed, *table.TROUBLES, "cordoned")
    await stage.until(lambda: _tainted(stage), within=stage.timing.no_schedule_taint().latest)
    await asyncio.gather(*(_select(stage, pod) for pod in table.SELECTING))
    await asyncio.gather(*(_tolerate(stage, pod) for pod in table.TOLERATING), _guaranteed(stage))
    await stage.patch(NODE, "cat", {"metadata": {"labels": dict.fromkeys(table.LABELS["cat"])}})
    stage.mark("cat without labels")
    await stage.hold(stage.timing.left_alone())


_EFFECTS = (NO_SCHEDULE, NO_EXECUTE, "PreferNoSchedule")


def _tainted(stage: Stage) -> bool:
    wanted = {role: [BY_CONDITION[condition] for condition in given] for role, given in table.TROUBLES.items()}
    wanted["cordoned"] = [UNSCHEDULABLE]
    return all(taints.has(stage.current(NODE, role), key, NO_SCHEDULE) for role, keys in wanted.items() for key in keys)


async def _select(stage: Stage, pod: Selecting) -> None:
    spec: dict[str, Any] = {"node_selector": {SCENARIO_LABEL: stage.naming.scenario, TABLE: "yes", **pod.selector}}
    if pod.terms:
        selector = {"nodeSelectorTerms": [_named(stage, term) for term in pod.terms]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}
    await stage.pod(pod.role, **spec)
    await (placing.placed if pod.node else placing.answered)(stage, pod.role)


def _named(stage: Stage, term: Mapping[str, Any]) -> dict[str, Any]:
    """The term with names in place of roles."""
    fields = [{**field, "values": [stage.naming.name(role) for role in field["values"]]} for field in _fields(term)]
    return {**term, **({"matchFields": fields} if fields else {})}


def _fields(term: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    fields: list[Mapping[str, Any]] = term.get("matchFields", [])
    return fields


async def _tolerate(stage: Stage, pod: Tolerating) -> None:
    await placing.offer(stage, pod.role, pod.node, tolerations=pod.tolerations)
    await (placing.placed if pod.fits else placing.answered)(stage, pod.role)


async def _guaranteed(stage: Stage) -> None:
    """A pod of the best class of service, for the node under memory pressure."""
    await placing.offer(stage, "memory-guaranteed", "memory", requests=GUARANTEED, limits=GUARANTEED)
    await placing.answered(stage, "memory-guaranteed")
