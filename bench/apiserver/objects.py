"""What is measured with: nodes and leases as kubelets write them."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

from bench.wire import Answer, Connection, Target

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
STRATEGIC = "application/strategic-merge-patch+json"
LANES = 32
"""Connections that fill and empty a server."""

_COUNTER = count(int(time.time()) % 100_000_000)  # noqa: TID251 - every write must change something, over all runs
_REVISION = re.compile(rb'"resourceVersion":\s*"(\d+)"')
Object = dict[str, Any]


def node(number: int) -> Object:
    """A node of some 4 kB, with ten images."""
    resources = {"cpu": "8", "memory": "32650000Ki", "pods": "110", "ephemeral-storage": "100000000Ki"}
    return {
        "metadata": {
            "name": node_name(number),
            "labels": {
                "kubernetes.io/hostname": node_name(number),
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": f"zone-{number % 4}",
            },
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {"podCIDR": f"10.{number // 256 % 256}.{number % 256}.0/24"},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": conditions("2026-01-01T00:00:00Z"),
            "addresses": [
                {"type": "InternalIP", "address": f"172.16.{number // 256 % 256}.{number % 256}"},
                {"type": "Hostname", "address": node_name(number)},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": f"{number:032x}",
                "systemUUID": f"{number:032x}",
                "bootID": f"{number:032x}",
                "kernelVersion": "6.1.0-13-amd64",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "containerRuntimeVersion": "containerd://1.7.2",
                "kubeletVersion": "v1.20.2",
                "kubeProxyVersion": "v1.20.2",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
            "images": [
                {
                    "names": [
                        f"registry.example/team/app-{image}@sha256:{image:064x}",
                        f"registry.example/team/app-{image}:v1.{image}",
                    ],
                    "sizeBytes": 12345678 + image,
                }
                for image in range(10)
            ],
        },
    }


def node_name(number: int) -> str:
    """Of the bench's nodes."""
    return f"bench-{number:05d}"


def conditions(heartbeat: str, message: str = "kubelet has sufficient memory available") -> list[Object]:
    """The conditions of a healthy node."""
    return [
        {
            "type": kind,
            "status": status,
            "reason": f"KubeletHas{kind}",
            "message": message,
            "lastHeartbeatTime": heartbeat,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind, status in (("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"))
    ] + [
        {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": message,
            "lastHeartbeatTime": heartbeat,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]


def lease(number: int, renewed: str, revision: int = 0) -> bytes:
    """A node's lease, as its kubelet renews it."""
    name = node_name(number)
    metadata: Object = {"name": name, "namespace": "kube-node-lease"}
    if revision:
        metadata["resourceVersion"] = str(revision)
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed}
    return encode({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})


def status_patch(heartbeat: str, message: str) -> bytes:
    """What a kubelet sends of its status: every condition's heartbeat."""
    return encode({"status": {"conditions": conditions(heartbeat, message)}})


def encode(obj: Object) -> bytes:
    """JSON."""
    return msgspec.json.encode(obj)


def unique() -> int:
    """A number that was not given before."""
    return next(_COUNTER)


def micro_time(number: int) -> str:
    """A `MicroTime` that no other number has."""
    return datetime.fromtimestamp(1_800_000_000 + number / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def revision_of(answer: Answer) -> int:
    """The first resourceVersion in an answer.

    Raises:
        RuntimeError: it is not a success.
    """
    checked(answer)
    match = _REVISION.search(answer.body)
    if match is None:
        raise RuntimeError(f"no resourceVersion in {answer.body[:200]!r}")
    return int(match.group(1))


def checked(answer: Answer) -> Answer:
    """The answer, if it is a success.

    Raises:
        RuntimeError: it is not.
    """
    if answer.status >= 300:
        raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")
    return answer


async def lease_revision(connection: Connection, number: int) -> int:
    """The version of a node's lease, which is there afterwards."""
    answer = await connection.request("GET", f"{LEASES}/{node_name(number)}")
    if answer.status == 404:
        answer = await connection.request("POST", LEASES, lease(number, micro_time(unique())))
    return revision_of(answer)


async def fill(target: Target, nodes: int) -> None:
    """Registers nodes 0 to `nodes`, those that are not there yet."""

    async def lane(first: int) -> None:
        connection = await Connection.open(target)
        for number in range(first, nodes, LANES):
            answer = await connection.request(
                "POST", NODES, encode({"kind": "Node", "apiVersion": "v1", **node(number)})
            )
            if answer.status != 409:
                checked(answer)
        connection.close()

    await asyncio.gather(*(lane(first) for first in range(LANES)))


async def empty(target: Target) -> None:
    """Deletes the bench's nodes and leases."""
    connection = await Connection.open(target)
    for collection in (NODES, LEASES):
        checked(await connection.request("DELETE", collection))
    connection.close()
