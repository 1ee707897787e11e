"""Pods claim ports of their node."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import attrs

from conformance.drive import placing
from conformance.drive.stage import Stage
from conformance.drive.waits import schedulable
from conformance.kinds import NAMESPACE, NODE, POD
from conformance.scenario import scenario
from conformance.timing import Timing

FIRST_PORT = 20101


@attrs.frozen
class Claim:
    """A claimed port.

    Attributes:
        protocol: `TCP` or `UDP`; empty leaves it to the default.
        address: of the node; empty for all.
        other: whether it is another port than the other pod's.
    """

    protocol: str = ""
    address: str = ""
    other: bool = False


PAIRS: Mapping[str, tuple[Claim, Claim, bool]] = {
    "same": (Claim(), Claim(), False),
    "same-named": (Claim("TCP", "0.0.0.0"), Claim(), False),
    "protocol": (Claim("TCP"), Claim("UDP"), True),
    "number": (Claim(), Claim(other=True), True),
    "address": (Claim(address="192.0.2.7"), Claim(address="192.0.2.7"), False),
    "addresses": (Claim(address="192.0.2.7"), Claim(address="192.0.2.8"), True),
    "all-then-one": (Claim(), Claim(address="192.0.2.7"), False),
    "one-then-all": (Claim(address="192.0.2.7"), Claim(), False),
}
"""What two pods claim, and whether they can share a node."""


def _longest(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + 3 * timing.scheduled().latest


@scenario(watches=(NODE, POD), longest=_longest)
async def host_ports(stage: Stage) -> None:
    """Pairs of pods claim ports of one node; for one of them, the first of the pair comes to its end.

    They live in a namespace of their own that lets them.
    """
    namespace = stage.naming.name("privileged")
    labels = {**stage.naming.labels("privileged"), "pod-security.kubernetes.io/enforce": "privileged"}
    metadata = {"name": namespace, "labels": labels}
    await stage.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await stage.node("host")
    await schedulable(stage, "host")
    await asyncio.gather(
        *(_pair(stage, namespace, number, name) for number, name in enumerate(PAIRS)), _heir(stage, namespace)
    )


async def _pair(stage: Stage, namespace: str, number: int, name: str) -> None:
    first, second, fits = PAIRS[name]
    port = FIRST_PORT + 2 * number
    await _claim(stage, namespace, f"{name}-1", first, port)
    await placing.placed(stage, f"{name}-1")
    await _claim(stage, namespace, f"{name}-2", second, port)
    await (placing.placed if fits else placing.answered)(stage, f"{name}-2")


async def _heir(stage: Stage, namespace: str) -> None:
    port = FIRST_PORT - 1
    await _claim(stage, namespace, "ended", Claim(), port)
    await placing.placed(stage, "ended")
    await _claim(stage, namespace, "heir", Claim(), port)
    await placing.answered(stage, "heir")
    stage.mark("ended ends")
    path = POD.path(namespace, stage.naming.name("ended"), "status")
    await stage.client.patch(path, {"status": {"phase": "Succeeded"}})
    await placing.placed(stage, "heir")


async def _claim(stage: Stage, namespace: str, role: str, claim: Claim, port: int) -> None:
    wanted: dict[str, Any] = {"containerPort": 80, "hostPort": port + claim.other}
    if claim.protocol:
        wanted["protocol"] = claim.protocol
    if claim.address:
        wanted["hostIP"] = claim.address
    main = placing.container("main", {}, ports=[wanted])
    await placing.offer(stage, role, "host", namespace=namespace, containers=[main])
