"""Nodes close and open again, come and go; pods that wait are woken, pods that run are left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from conformance.drive import manifests, placing
from conformance.drive.manifests import tolerate
from conformance.drive.stage import Stage
from conformance.drive.sums import devices
from conformance.drive.taints import change, own, own_key
from conformance.drive.waits import schedulable
from conformance.kinds import NODE, POD
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing

GATE = f"{DOMAIN}/gate"
"""The label that pods for the node `relabelled` select."""

CLOSING = ("lowered", "withdrawn", "tainted", "cordoned", "relabelled")
"""Nodes that close to new pods and open again; each has a pod `<node>-resident` and one `<node>-late`."""

OFFERING = ("lowered", "withdrawn")
"""Those that close by what they offer: two pieces, one of which the resident has."""

Act = Callable[[], Awaitable[object]]


def _longest(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + timing.left_alone() + 4 * timing.scheduled().latest + 2 * timing.slack


@scenario(watches=(NODE, POD), longest=_longest)
async def waking(stage: Stage) -> None:
    """Nodes close under a pod that runs and in front of one that waits, and open again.

    `lowered` offers less for a while, `withdrawn` nothing more of what it offered; `tainted` has a taint that nobody
    tolerates in the place of one that all tolerate, `cordoned` is, `relabelled` has a label with another value. On
    `freed` a pod goes, `grown` offers more than before, for `newcomer` a pod waits before the node is there, `leaver`
    is deleted before a pod asks for it.
    """
    nodes = [*CLOSING, "freed", "grown", "leaver"]
    await asyncio.gather(*(_register(stage, role) for role in nodes))
    await schedulable(stage, *nodes)
    one, two = devices("piece", 1), devices("piece", 2)
    none = dict.fromkeys(one)
    await asyncio.gather(
        _close(stage, "lowered", lambda: _allocate(stage, "lowered", one), lambda: _allocate(stage, "lowered", two)),
        _close(
            stage, "withdrawn", lambda: _allocate(stage, "withdrawn", none), lambda: _allocate(stage, "withdrawn", two)
        ),
        _close(stage, "tainted", lambda: _taint(stage), lambda: _untaint(stage)),
        _close(stage, "cordoned", lambda: _cordon(stage, True), lambda: _cordon(stage, None)),
        _close(stage, "relabelled", lambda: _label(stage, "shut"), lambda: _label(stage, "open")),
        _fill(stage, "freed", lambda: placing.removed(stage, "freed-resident")),
        _fill(stage, "grown", lambda: _allocate(stage, "grown", two)),
        _come(stage),
        _leave(stage),
    )


async def _register(stage: Stage, role: str) -> None:
    pieces = devices("piece", 2 if role in OFFERING else 1)
    taints = [own("open", "NoSchedule")] if role == "tainted" else []
    await stage.node(role, capacity={**manifests.CAPACITY, **pieces}, labels={GATE: "open"}, taints=taints)


async def _close(stage: Stage, node: str, close: Act, open_again: Act) -> None:
    """The pod that waits asks for nothing but what the closing takes away."""
    selector = {GATE: "open"} if node == "relabelled" else {}
    asked = devices("piece", 1) if node in OFFERING else {}
    tolerations = [tolerate(own_key("open"), None, "NoSchedule")] if node == "tainted" else []
    await placing.offer(stage, f"{node}-resident", node, asked, node_selector=selector, tolerations=tolerations)
    await placing.placed(stage, f"{node}-resident")
    await close()
    stage.mark(f"{node} closed")
    await stage.hold(stage.timing.slack)
    await placing.offer(stage, f"{node}-late", node, asked, node_selector=selector, tolerations=tolerations)
    await placing.answered(stage, f"{node}-late")
    await stage.hold(stage.timing.left_alone())
    stage.mark(f"{node} opens")
    await open_again()
    stage.mark(f"{node} open")
    await placing.placed(stage, f"{node}-late")


async def _fill(stage: Stage, node: str, make_room: Act) -> None:
    """The pod that waits asks for what another one has."""
    await placing.offer(stage, f"{node}-resident", node, devices("piece", 1))
    await placing.placed(stage, f"{node}-resident")
    await placing.offer(stage, f"{node}-late", node, devices("piece", 1))
    await placing.answered(stage, f"{node}-late")
    stage.mark(f"{node} opens")
    await make_room()
    stage.mark(f"{node} open")
    await placing.placed(stage, f"{node}-late")


async def _come(stage: Stage) -> None:
    await placing.offer(stage, "newcomer-late", "newcomer")
    await placing.answered(stage, "newcomer-late")
    stage.mark("newcomer opens")
    await stage.node("newcomer")
    stage.mark("newcomer open")
    await placing.placed(stage, "newcomer-late")


async def _leave(stage: Stage) -> None:
    leaver = next(node for node in stage.all_nodes if node.role == "leaver")
    await leaver.fall_silent()
    await stage.delete(NODE, "leaver")
    await stage.until(lambda: stage.current(NODE, "leaver") is None, within=stage.timing.slack)
    await stage.hold(stage.timing.slack)
    await placing.offer(stage, "leaver-late", "leaver")
    await placing.answered(stage, "leaver-late")
    await stage.hold(stage.timing.left_alone())


async def _allocate(stage: Stage, node: str, pieces: Mapping[str, str | None]) -> None:
    await placing.allocatable(stage, node, pieces)


async def _taint(stage: Stage) -> None:
    await change(stage, "tainted", "taint", add=[own("closed", "NoSchedule")], remove=[own_key("open")])


async def _untaint(stage: Stage) -> None:
    await change(stage, "tainted", "untaint", add=[own("open", "NoSchedule")], remove=[own_key("closed")])


async def _cordon(stage: Stage, value: bool | None) -> None:
    await stage.patch(NODE, "cordoned", {"spec": {"unschedulable": value}})


async def _label(stage: Stage, value: str) -> None:
    await stage.patch(NODE, "relabelled", {"metadata": {"labels": {GATE: value}}})
