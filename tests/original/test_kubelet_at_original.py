"""The reference kubelet at a master nobody here wrote: joins, works, outlives the master's death, is lost, returns."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import psutil
import pytest

from refimpl.api.resources import PODS, REPLICATIONCONTROLLERS
from refimpl.clock import Clock
from tests.kubectl.conftest import KUBECTLS, Kubectl
from tests.original.plane import GRACE, Node, Plane, control_plane, missing
from tests.watching import Watching, watching

pytestmark = [pytest.mark.live, pytest.mark.timeout(400), pytest.mark.skipif(bool(missing()), reason=missing())]

REPLICAS = 4
SOON = 30.0
"""Seconds for what nobody has to wait for, on a machine that has much to do."""
LOST_WITHIN = GRACE + SOON
UNREACHABLE = "node.kubernetes.io/unreachable"


@attrs.define(eq=False)
class Show:
    """A control plane, two nodes and four pods."""

    plane: Plane
    seen: Watching
    nodes: list[Node]

    def all_run(self) -> bool:
        return sum(len(self.seen.pods_on(node.name)) for node in self.nodes) == REPLICAS

    def processes(self) -> set[int]:
        """The containers' processes: they alone have this argument."""
        return {
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if str(self.plane.folder) in (process.info["cmdline"] or ())[-1:]
        }


@contextlib.asynccontextmanager
async def show(folder: Path) -> AsyncIterator[Show]:
    async with (
        control_plane(folder) as plane,
        contextlib.aclosing(plane.client()) as client,
        watching(client, Clock()) as seen,
    ):
        nodes = [await plane.node("node-a"), await plane.node("node-b")]
        try:
            yield Show(plane, seen, nodes)
        except AssertionError as error:
            for node in nodes:
                error.add_note(f"{node.name} said last:\n{node.leash.log()}")
            raise


def controller(marker: str) -> dict[str, object]:
    """Pods that say where they are and then wait; their processes carry a marker."""
    words = ["sh", "-c", "echo runs on $HOSTNAME; while :; do sleep 1; done", "sh", marker]
    container = {"name": "c", "image": "busybox", "command": words}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": REPLICAS, "selector": {"app": "web"}, "template": template},
    }


async def test_a_whole_life_at_the_original_master(tmp_path: Path):
    async with show(tmp_path / "plane") as on:
        await joins(on)
        await runs_pods(on)
        await shows_what_containers_say(on, tmp_path)
        await outlives_the_master(on)
        await is_lost(on)
        await returns(on)


async def joins(on: Show) -> None:
    """Both register with the rights of their nodes, become Ready and lose the taint of the beginning."""
    for node in on.nodes:
        await on.seen.until(lambda node=node: on.seen.condition(node.name) == "True", SOON, f"{node.name} Ready")
        await on.seen.until(lambda node=node: not on.seen.taints(node.name), SOON, f"{node.name} without taints")


async def runs_pods(on: Show) -> None:
    """What a ReplicationController asks for is there: as pods on both nodes, and as processes of this machine."""
    await on.seen.client.create(REPLICATIONCONTROLLERS, controller(str(on.plane.folder)))
    await on.seen.until(on.all_run, SOON)
    assert all(on.seen.pods_on(node.name) for node in on.nodes)
    assert len(on.processes()) == REPLICAS


async def shows_what_containers_say(on: Show, folder: Path) -> None:
    """`kubectl logs` and `exec`: the API server finds the kubelet and is let in."""
    if not KUBECTLS:
        return
    own = folder / "kubectl"
    own.mkdir()
    shutil.copy(on.plane.kubeconfig, own / "kubeconfig")
    kubectl = Kubectl(KUBECTLS[0], own / "kubeconfig")
    pod = on.seen.pods_on("node-a")[0]["metadata"]["name"]
    assert await asyncio.to_thread(kubectl, "logs", pod) == f"runs on {pod}\n"
    if kubectl.minor >= 31:  # older ones speak SPDY
        assert await asyncio.to_thread(kubectl, "exec", pod, "--", "sh", "-c", "echo $HOSTNAME") == f"{pod}\n"


async def outlives_the_master(on: Show) -> None:
    """kill -9 of kube-apiserver: afterwards the same processes run, nobody was given up, and new pods are started."""
    before, since = on.processes(), {node.name: _since(on, node) for node in on.nodes}
    await on.plane.restart_apiserver()
    victim = on.seen.pods_on("node-a")[0]["metadata"]
    await on.seen.client.delete(PODS, victim["name"], namespace="default")
    await on.seen.until(
        lambda: on.all_run() and on.seen.pods.get(victim["name"], "default") is None, SOON, "a new pod in its place"
    )
    assert len(on.processes() & before) == REPLICAS - 1
    assert {node.name: _since(on, node) for node in on.nodes} == since
    restarts = [status["restartCount"] for pod in on.seen.pods.list() for status in pod["status"]["containerStatuses"]]
    assert restarts == [0] * REPLICAS


async def is_lost(on: Show) -> None:
    """kill -9 of a kubelet: Ready becomes Unknown, both taints come, and its pods come up on the other node."""
    lost, other = on.nodes
    assert on.seen.pods_on(lost.name)
    await lost.kill()
    await on.seen.until(lambda: on.seen.condition(lost.name) == "Unknown", LOST_WITHIN, "Ready Unknown")
    both = {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")}
    await on.seen.until(lambda: on.seen.taints(lost.name) == both, SOON, "both taints")
    await on.seen.until(lambda: len(on.seen.pods_on(other.name)) == REPLICAS, SOON, "all pods on the other node")
    assert on.seen.pods_on(lost.name, leaving=True)
    assert len(on.processes()) > REPLICAS  # nobody could end those of the lost node


async def returns(on: Show) -> None:
    """The kubelet starts again: Ready, no taints, and what had to go is ended and gone."""
    lost = on.nodes[0]
    await lost.start()
    await on.seen.until(lambda: on.seen.condition(lost.name) == "True", SOON, "Ready")
    await on.seen.until(lambda: not on.seen.taints(lost.name), SOON, "no taints")
    await on.seen.until(lambda: not on.seen.pods_on(lost.name, leaving=True), SOON, "old pods gone")
    assert len(on.processes()) == REPLICAS


def _since(on: Show, node: Node) -> str:
    """Since when it is Ready."""
    conditions = on.seen.nodes.get(node.name)["status"]["conditions"]
    return next(each["lastTransitionTime"] for each in conditions if each["type"] == "Ready")
