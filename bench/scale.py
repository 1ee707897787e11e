"""How large a cluster the reference carries in virtual time: nodes, pods, and one zone lost on the way.

    python bench/scale.py [--nodes 1000] [--pods 5000] [--minutes 10]

Prints the real seconds, the CPU seconds, the peak memory, and how often virtual time ran faster than real time.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from collections import Counter

import attrs

from refimpl.api.resources import NODES, PODS, REPLICATIONCONTROLLERS
from refimpl.clock import Clock, run, virtual_loop
from refimpl.cluster import Cluster, ClusterConfig

ZONES = 4
LABEL = "topology.kubernetes.io/zone"


async def scenario(nodes: int, pods: int, minutes: float) -> str:
    """Starts everything, loses one zone at one fifth of the time, and counts what is left at the end."""
    clock = Clock.virtual(seed=1)
    async with Cluster(ClusterConfig(), clock) as cluster:
        client = cluster.client()
        for number in range(1, nodes + 1):
            labels = {LABEL: f"zone-{number % ZONES}"}
            cluster.add_node(f"node-{number}", config=attrs.evolve(cluster.config.kubelet, node_labels=labels))
        while len(cluster.server.registry.entries(NODES)) < nodes:
            await clock.sleep(1)
        controllers = 10
        for number in range(controllers):
            await client.create(REPLICATIONCONTROLLERS, controller(f"load-{number}", pods // controllers))
        await clock.sleep(minutes * 60 / 5)
        lost = [name for name, node in cluster.nodes.items() if node.config.node_labels[LABEL] == "zone-0"]
        for name in lost:
            await cluster.lose_node(name)
        await clock.sleep(minutes * 60 * 4 / 5)
        ready = Counter(
            condition["status"]
            for node in (await client.list(NODES))["items"]
            for condition in node["status"]["conditions"]
            if condition["type"] == "Ready"
        )
        items = (await client.list(PODS))["items"]
        running = sum(pod["status"]["phase"] == "Running" and not _terminating(pod) for pod in items)
        leaving = sum(map(_terminating, items))
        return f"nodes by Ready {dict(ready)}; pods running {running}, terminating {leaving}, all {len(items)}"


def controller(name: str, replicas: int) -> dict[str, object]:
    """A ReplicationController of small pods that give up a lost node after a minute."""
    tolerations = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
        for key in ("unreachable", "not-ready")
    ]
    container = {"name": "c", "image": "busybox", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
    spec = {"containers": [container], "tolerations": tolerations}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"app": name}, "template": template},
    }


def _terminating(pod: dict[str, dict[str, object]]) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    gc.set_threshold(1_000_000, 50, 100)  # caches of objects without cycles
    began, cpu = time.monotonic(), time.process_time()  # noqa: TID251 - a benchmark measures real time
    end = run(scenario(options.nodes, options.pods, options.minutes), loop_factory=virtual_loop)
    real, used = time.monotonic() - began, time.process_time() - cpu  # noqa: TID251
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(end)
    speed = options.minutes * 60 / real
    print(f"real {real:.1f} s, CPU {used:.1f} s, peak memory {peak:.0f} MiB, {speed:.0f} times real time")


if __name__ == "__main__":
    main()
