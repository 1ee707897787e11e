"""Pods claim ports of their node."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import attrs

from conformance.drive import placing
from conformance.drive.scenarios.master.accounting import LONG_GRACE
from conformance.drive.scenarios.master.accounting_sums import SIDECARS_SINCE
from conformance.drive.stage import Stage
from conformance.drive.waits import schedulable
from conformance.kinds import NAMESPACE, NODE, POD
from conformance.scenario import scenario
from conformance.timing import Timing

FIRST_PORT = 20101
APART = 100
"""Between a port that matters and one that does not."""


@attrs.frozen
class Claim:
    """A claimed port.

    Attributes:
        protocol: `TCP`, `UDP` or `SCTP`; empty leaves it to the default.
        address: of the node; empty for all.
        other: whether it is another port than the other pod's.
        by: what claims it: the `first` or the `second` container, the `second port` of the first, an `init` container
            or a `sidecar`.
    """

    protocol: str = ""
    address: str = ""
    other: bool = False
    by: str = "first"


PAIRS: Mapping[str, tuple[Claim, Claim, bool]] = {
    "same": (Claim(), Claim(), False),
    "same-named": (Claim("TCP", "0.0.0.0"), Claim(), False),
    "protocol": (Claim("TCP"), Claim("UDP"), True),
    "number": (Claim(), Claim(other=True), True),
    "address": (Claim(address="192.0.2.7"), Claim(address="192.0.2.7"), False),
    "addresses": (Claim(address="192.0.2.7"), Claim(address="192.0.2.8"), True),
    "all-then-one": (Claim(), Claim(address="192.0.2.7"), False),
    "one-then-all": (Claim(address="192.0.2.7"), Claim(), False),
    "sctp": (Claim("SCTP"), Claim("TCP"), True),
    "second-container": (Claim(by="second"), Claim(), False),
    "second-port": (Claim(by="second port"), Claim(), False),
    "second-wanted": (Claim(), Claim(by="second port"), False),
    "init": (Claim(by="init"), Claim(), True),
}
"""What two pods claim, and whether they can share a node."""

SIDECARS: Mapping[str, tuple[Claim, Claim, bool]] = {"sidecar": (Claim(by="sidecar"), Claim(), False)}


def pairs(minor: int) -> Mapping[str, tuple[Claim, Claim, bool]]:
    """All pairs that a target of version 1.`minor` can have."""
    return {**PAIRS, **SIDECARS} if minor >= SIDECARS_SINCE else PAIRS


def _longest(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + 3 * timing.scheduled().latest


@scenario(watches=(NODE, POD), longest=_longest)
async def host_ports(stage: Stage) -> None:
    """Pairs of pods claim ports of one node; the first of one comes to its end, of another it terminates for a while.

    They live in a namespace of their own that lets them.
    """
    namespace = stage.naming.name("privileged")
    labels = {**stage.naming.labels("privileged"), "pod-security.kubernetes.io/enforce": "privileged"}
    metadata = {"name": namespace, "labels": labels}
    await stage.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await stage.node("host")
    await schedulable(stage, "host")
    await asyncio.gather(
        *(_pair(stage, namespace, number, name) for number, name in enumerate(pairs(stage.facts.minor))),
        _heir(stage, namespace),
        _patient(stage, namespace),
    )


async def _pair(stage: Stage, namespace: str, number: int, name: str) -> None:
    first, second, fits = pairs(stage.facts.minor)[name]
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


async def _patient(stage: Stage, namespace: str) -> None:
    port = FIRST_PORT - 2
    await _claim(stage, namespace, "leaving", Claim(), port)
    await placing.placed(stage, "leaving")
    path = POD.path(namespace, stage.naming.name("leaving"))
    await stage.client.delete(path, {"gracePeriodSeconds": LONG_GRACE})
    await _claim(stage, namespace, "patient", Claim(), port)
    await placing.answered(stage, "patient")
    stage.mark("leaving is removed")
    await stage.client.delete(path, {"gracePeriodSeconds": 0})
    await placing.placed(stage, "patient")


async def _claim(stage: Stage, namespace: str, role: str, claim: Claim, port: int) -> None:
    wanted: dict[str, Any] = {"containerPort": 80, "hostPort": port + claim.other}
    if claim.protocol:
        wanted["protocol"] = claim.protocol
    if claim.address:
        wanted["hostIP"] = claim.address
    await placing.offer(stage, role, "host", namespace=namespace, **_containers(claim.by, wanted))


def _containers(by: str, port: dict[str, Any]) -> dict[str, Any]:
    """The containers of a pod, one of which has the port."""
    harmless = {"containerPort": 81, "hostPort": port["hostPort"] + APART}
    ports = {"first": [port], "second port": [harmless, port]}
    spec: dict[str, Any] = {"containers": [placing.container("main", {}, ports=ports.get(by, []))]}
    if by == "second":
        spec["containers"].append(placing.container("second", {}, ports=[port]))
    if by in ("init", "sidecar"):
        more = {"restartPolicy": "Always"} if by == "sidecar" else {}
        spec["initContainers"] = [placing.container(by, {}, ports=[port], **more)]
    return spec
