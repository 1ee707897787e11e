"""Which strategy serves which row of the resource table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from refimpl.api import resources as rows
from refimpl.api.resources import Resource
from refimpl.apiserver.kinds import (
    certificates,
    config,
    endpoints,
    events,
    leases,
    namespaces,
    networking,
    policy,
    rbac,
    rest,
    scheduling,
    storageclasses,
    volumes,
)
from refimpl.apiserver.kinds.nodes import Nodes
from refimpl.apiserver.kinds.pods import Pods
from refimpl.apiserver.kinds.services import Services
from refimpl.apiserver.kinds.workloads.daemonsets import DaemonSets
from refimpl.apiserver.kinds.workloads.deployments import Deployments
from refimpl.apiserver.kinds.workloads.jobs import CronJobs, Jobs
from refimpl.apiserver.kinds.workloads.replication import ReplicaSets, ReplicationControllers
from refimpl.apiserver.kinds.workloads.statefulsets import StatefulSets
from refimpl.apiserver.strategy import Strategy


@cache
def _table() -> Mapping[Resource, Strategy]:
    roles, bindings = rbac.Roles(), rbac.Bindings()
    return {
        rows.CONFIGMAPS: config.ConfigMaps(),
        rows.ENDPOINTS: endpoints.Endpoints(),
        rows.EVENTS: events.Events(),
        rows.LIMITRANGES: rest.LimitRanges(),
        rows.NAMESPACES: namespaces.Namespaces(),
        rows.NODES: Nodes(),
        rows.PERSISTENTVOLUMECLAIMS: volumes.PersistentVolumeClaims(),
        rows.PERSISTENTVOLUMES: volumes.PersistentVolumes(),
        rows.PODS: Pods(),
        rows.PODTEMPLATES: rest.PodTemplates(),
        rows.REPLICATIONCONTROLLERS: ReplicationControllers(),
        rows.RESOURCEQUOTAS: rest.ResourceQuotas(),
        rows.SECRETS: config.Secrets(),
        rows.SERVICEACCOUNTS: config.ServiceAccounts(),
        rows.SERVICES: Services(),
        rows.CONTROLLERREVISIONS: rest.ControllerRevisions(),
        rows.DAEMONSETS: DaemonSets(),
        rows.DEPLOYMENTS: Deployments(),
        rows.REPLICASETS: ReplicaSets(),
        rows.STATEFULSETS: StatefulSets(),
        rows.EVENTS_V1: events.EventsV1(),
        rows.HORIZONTALPODAUTOSCALERS: rest.HorizontalPodAutoscalers(),
        rows.CRONJOBS: CronJobs(),
        rows.JOBS: Jobs(),
        rows.CERTIFICATESIGNINGREQUESTS: certificates.CertificateSigningRequests(),
        rows.LEASES: leases.Leases(),
        rows.ENDPOINTSLICES: endpoints.EndpointSlices(),
        rows.INGRESSCLASSES: networking.IngressClasses(),
        rows.INGRESSES: networking.Ingresses(),
        rows.NETWORKPOLICIES: networking.NetworkPolicies(),
        rows.RUNTIMECLASSES: scheduling.RuntimeClasses(),
        rows.PODDISRUPTIONBUDGETS: policy.PodDisruptionBudgets(),
        rows.OLDER_PODDISRUPTIONBUDGETS: policy.OlderPodDisruptionBudgets(),
        rows.OLDER_ENDPOINTSLICES: endpoints.OlderEndpointSlices(),
        rows.CLUSTERROLEBINDINGS: bindings,
        rows.CLUSTERROLES: roles,
        rows.ROLEBINDINGS: bindings,
        rows.ROLES: roles,
        rows.RESOURCESLICES: rest.ResourceSlices(),
        rows.PRIORITYCLASSES: scheduling.PriorityClasses(),
        rows.CSIDRIVERS: storageclasses.CSIDrivers(),
        rows.CSINODES: storageclasses.CSINodes(),
        rows.STORAGECLASSES: storageclasses.StorageClasses(),
        rows.VOLUMEATTACHMENTS: rest.VolumeAttachments(),
    }


def strategy_for(resource: Resource) -> Strategy:
    """The behaviour of a row; storage-only rows share a plain strategy."""
    return _table().get(resource) or _plain("status" in resource.subresources)


@cache
def _plain(has_status: bool) -> Strategy:
    return rest.PlainWithStatus() if has_status else rest.Plain()
