"""A walk: nodes and pods take steps in any order; whatever the order is, some things must always hold.

Which steps are possible follows from the steps before and from nothing that the target does, so that one seed gives one
walk on every target.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from conformance.client import existing
from conformance.drive import manifests, placing, taints
from conformance.drive.manifests import tolerate
from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.drive.waits import ready, settled
from conformance.judge.pods import terminating
from conformance.judge.taints import UNREACHABLE
from conformance.kinds import NODE, POD, REPLICATION_CONTROLLER
from conformance.naming import DOMAIN, SCENARIO_LABEL
from conformance.timing import Timing

SEATS = f"{DOMAIN}/seats"
"""What pods ask of nodes: nobody else's pods want any."""
OFFERED = 1
"""Seats of a node: never enough for all pods."""
REPLICAS = 2
QUIET = "all is quiet"
"""The mark after which nothing happens any more."""
_NODES = 4
_PODS = 6
_SILENT = 2
"""More nodes of a zone are never silent at once: its evictions would slow down."""
_WAITS = 2
"""Times that a walk waits until silence has been noticed."""
_TAINT = "no-guests"


@attrs.frozen
class Step:
    """One step: what is done, and to which node or pod, by role; empty where it does not matter."""

    verb: str
    role: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.role}".rstrip()


def noticed(timing: Timing) -> float:
    """Seconds after which silence has been noticed, and what tolerates it for a short time has gone."""
    evicted = timing.no_execute_taint(_SILENT).latest + timing.eviction(timing.step).latest
    return timing.unknown_after_silence().latest + evicted


def longest(timing: Timing, steps: int) -> float:
    """Seconds that a walk of so many steps takes at most."""
    quiet = timing.taints_removed().latest + timing.scheduler_backoff + 4 * timing.node_monitor_period
    parted = timing.eviction(timing.step).latest
    return steps * timing.node_monitor_period + (_WAITS + 1) * noticed(timing) + parted + quiet + 10


class Walk:
    """The state of a walk.

    Args:
        stage: where it takes place.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._nodes: dict[str, SimulatedNode] = {}
        self._silent: dict[str, None] = {}
        self._cordoned: dict[str, None] = {}
        self._tainted: dict[str, None] = {}
        self._pods: dict[str, None] = {}
        self._born = 0
        self._waits = 0
        self._taken = 0

    def possible(self) -> list[Step]:
        """The steps that may come next, in an order that depends on the walk alone."""
        nodes, some = list(self._nodes), list(self._pods)
        steps = [Step("wait")]
        steps += [Step("register", f"n{len(nodes) + 1}")] if len(nodes) < _NODES else []
        steps += [Step("create", f"p{self._born + 1}")] if len(some) < _PODS else []
        steps += [Step("delete", role) for role in some]
        for role in nodes:
            if role in self._silent:
                steps.append(Step("recover", role))
            elif len(self._silent) < _SILENT:
                steps.append(Step("silence", role))
            steps.append(Step("uncordon" if role in self._cordoned else "cordon", role))
            steps.append(Step("untaint" if role in self._tainted else "taint", role))
        steps += [Step("outwait")] if self._silent and self._waits < _WAITS else []
        return steps

    async def begin(self) -> None:
        """A node that stays healthy, one that need not, and a controller that keeps some pods."""
        for role in ("keeper", "n1"):
            await self._register(role)
        if self._stage.facts.served(REPLICATION_CONTROLLER):
            short = tolerate(UNREACHABLE, self._stage.timing.step)
            await self._stage.replication_controller("crew", REPLICAS, tolerations=[short], **self._asks())

    async def take(self, step: Step) -> None:
        """Takes one of the possible steps."""
        self._taken += 1
        self._stage.mark(f"step {self._taken}: {step}")
        verbs: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "wait": self._wait,
            "outwait": self._outwait,
            "register": self._register,
            "silence": self._silence,
            "recover": self._recover,
            "cordon": self._cordon,
            "uncordon": self._uncordon,
            "taint": self._taint,
            "untaint": self._untaint,
            "create": self._create,
            "delete": self._delete,
        }
        await verbs[step.verb](step.role)

    async def rest(self) -> None:
        """Takes back everything that keeps pods away, and waits until nothing moves any more; marks `QUIET`."""
        for role in list(self._tainted):
            await self._untaint(role)
        for role in list(self._cordoned):
            await self._uncordon(role)
        for role in list(self._silent):
            await self._recover(role)
        timing = self._stage.timing
        within = timing.taints_removed().latest + settled(self._stage)
        await self._stage.until(self._complete, within=within)
        await self._stage.hold(2 * timing.node_monitor_period)
        self._stage.mark(QUIET)
        await self._stage.hold(timing.node_monitor_period)

    async def part(self) -> None:
        """A guest on `n1` has to go, so that whatever the walk was, somebody was evicted."""
        own = tolerate(taints.own_key(_TAINT), self._stage.timing.step)
        await self._stage.pod("guest", node_name=self._nodes["n1"].name, tolerations=[own])
        if "n1" not in self._tainted:
            await self.take(Step("taint", "n1"))
        gone = self._stage.timing.eviction(self._stage.timing.step).latest
        await self._stage.until(lambda: self._stage.current(POD, "guest") is None, within=gone)

    def _complete(self) -> bool:
        return sum(not terminating(pod) for pod in self._stage.pods_of("crew")) == REPLICAS

    def _asks(self) -> dict[str, Any]:
        selector = {SCENARIO_LABEL: self._stage.naming.scenario}
        return {"node_selector": selector, **placing.asking({SEATS: "1"})}

    async def _wait(self, _role: str) -> None:
        await self._stage.hold(self._stage.timing.node_monitor_period)

    async def _outwait(self, _role: str) -> None:
        self._waits += 1
        await self._stage.hold(noticed(self._stage.timing))

    async def _register(self, role: str) -> None:
        size = {**manifests.CAPACITY, SEATS: str(OFFERED)}
        node = await self._stage.node(role, capacity=size)
        if role != "keeper":
            self._nodes[role] = node
        node.pods.run()

    async def _silence(self, role: str) -> None:
        self._silent[role] = None
        await self._nodes[role].fall_silent()

    async def _recover(self, role: str) -> None:
        """A node that was given up posts its conditions anew; one that was not just beats on."""
        del self._silent[role]
        node = self._nodes[role]
        if ready(self._stage, role) == "Unknown":
            await node.recover()
        else:
            self._stage.mark(f"{role} beats again", node=node.name)
            node.resume()
        node.pods.run()

    async def _cordon(self, role: str) -> None:
        self._cordoned[role] = None
        await self._stage.patch(NODE, role, {"spec": {"unschedulable": True}})

    async def _uncordon(self, role: str) -> None:
        del self._cordoned[role]
        await self._stage.patch(NODE, role, {"spec": {"unschedulable": None}})

    async def _taint(self, role: str) -> None:
        self._tainted[role] = None
        await taints.change(self._stage, role, f"{role} tainted", add=[taints.own(_TAINT)])

    async def _untaint(self, role: str) -> None:
        del self._tainted[role]
        await taints.change(self._stage, role, f"{role} untainted", remove=[taints.own_key(_TAINT)])

    async def _create(self, role: str) -> None:
        """A pod that tolerates the walk's taint not at all, for a while, for longer, or for ever, in turn."""
        step = self._stage.timing.step
        own = taints.own_key(_TAINT)
        kinds: tuple[list[dict[str, Any]], ...] = (
            [],
            [tolerate(own, step)],
            [tolerate(own, 2 * step)],
            [tolerate(own, None)],
        )
        self._born += 1
        self._pods[role] = None
        short = tolerate(UNREACHABLE, step)
        await self._stage.pod(role, tolerations=[short, *kinds[self._born % len(kinds)]], **self._asks())

    async def _delete(self, role: str) -> None:
        del self._pods[role]
        with self._stage.request(f"{role} deletion"), existing():
            await self._stage.delete(POD, role)


async def stroll(walk: Walk, dice: random.Random, steps: int) -> None:
    """Takes so many steps at random, and at last those without which nothing would be shown: a silence, an eviction."""
    for _ in range(steps):
        await walk.take(dice.choice(walk.possible()))
    for verb in ("create", "silence", "outwait"):
        chosen = [step for step in walk.possible() if step.verb == verb]
        if chosen:
            await walk.take(dice.choice(chosen))
    await walk.part()
