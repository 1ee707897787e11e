"""The controllers of the controller manager, by the names that `--controllers` knows.

Source of the names: kube-controller-manager 1.36 `NewControllerDescriptors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import attrs

from refimpl.controllers.clusterrole_aggregation import ClusterRoleAggregationController
from refimpl.controllers.daemonset import DaemonSetController
from refimpl.controllers.deployment import DeploymentController
from refimpl.controllers.disruption import DisruptionController
from refimpl.controllers.endpoints import EndpointsConfig, EndpointsController
from refimpl.controllers.endpointslice import EndpointSliceController
from refimpl.controllers.garbage import GarbageCollector
from refimpl.controllers.job import JobController
from refimpl.controllers.namespace import NamespaceController
from refimpl.controllers.node_lifecycle import NodeLifecycleConfig, NodeLifecycleController
from refimpl.controllers.pod_gc import PodGCConfig, PodGCController
from refimpl.controllers.replication import replica_sets, replication_controllers
from refimpl.controllers.runner import Builder
from refimpl.controllers.serviceaccounts import ServiceAccountController
from refimpl.controllers.statefulset import StatefulSetController
from refimpl.controllers.taint_eviction import TaintEvictionController


@attrs.frozen
class ControllerManagerConfig:
    """Controller manager.

    Attributes:
        controllers: names of the controllers to run, separated by commas; `*` stands for all, `-name` leaves one out.
        leader_elect: run only while holding the Lease kube-system/kube-controller-manager.
        node_lifecycle: settings of the node lifecycle controller.
        pod_gc: settings of the pod garbage collector.
        endpoints: settings of the controllers of Services.
    """

    controllers: tuple[str, ...] = ("*",)
    leader_elect: bool = False
    node_lifecycle: NodeLifecycleConfig = attrs.field(factory=NodeLifecycleConfig)
    pod_gc: PodGCConfig = attrs.field(factory=PodGCConfig)
    endpoints: EndpointsConfig = attrs.field(factory=EndpointsConfig)


def all_controllers(config: ControllerManagerConfig) -> Mapping[str, Builder]:
    """Every controller there is, by name, in the order in which they start."""
    return {
        "node-lifecycle-controller": partial(NodeLifecycleController, config=config.node_lifecycle),
        "taint-eviction-controller": TaintEvictionController,
        "pod-garbage-collector-controller": partial(PodGCController, config=config.pod_gc),
        "replicationcontroller-controller": replication_controllers,
        "replicaset-controller": replica_sets,
        "deployment-controller": DeploymentController,
        "daemonset-controller": DaemonSetController,
        "statefulset-controller": StatefulSetController,
        "job-controller": JobController,
        "disruption-controller": DisruptionController,
        "endpoints-controller": partial(EndpointsController, config=config.endpoints),
        "endpointslice-controller": partial(EndpointSliceController, config=config.endpoints),
        "serviceaccount-controller": ServiceAccountController,
        "namespace-controller": NamespaceController,
        "clusterrole-aggregation-controller": ClusterRoleAggregationController,
        "garbage-collector-controller": GarbageCollector,
    }


def selected_controllers(config: ControllerManagerConfig) -> Sequence[Builder]:
    """The controllers that `config.controllers` asks for.

    Raises:
        ValueError: it names one that does not exist.
    """
    builders = all_controllers(config)
    named = {name.removeprefix("-") for name in config.controllers} - {"*"}
    unknown = sorted(named - builders.keys())
    if unknown:
        raise ValueError(f"--controllers: no controller {unknown[0]!r}; there are {', '.join(builders)}")
    everything = "*" in config.controllers
    return [
        builder
        for name, builder in builders.items()
        if f"-{name}" not in config.controllers and (everything or name in config.controllers)
    ]
