"""Whether it is safe to play nodes in a cluster: some clusters have controllers that delete what they do not know."""

from __future__ import annotations

from typing import Any

from conformance.client import ApiClient, ApiRefused
from conformance.kinds import NODE

_HARMLESS = ("kind", "k3s", "kwok", "minikube")
"""Schemes of provider ids behind which no controller looks for machines."""

_AUTOSCALERS = ("karpenter.sh", "machine.openshift.io", "cluster.x-k8s.io")
"""API groups of controllers that count or delete nodes."""

_SAMPLE = "200"


async def hazards(client: ApiClient) -> list[str]:
    """What in the target would act on simulated nodes, a line each; empty when nothing was found.

    Raises:
        NoAnswer: the target does not answer.
    """
    found: list[str] = []
    nodes: list[Any] = (await client.get(NODE.path(), limit=_SAMPLE)).get("items") or []
    for node in nodes:
        scheme = str((node.get("spec") or {}).get("providerID") or "").partition(":")[0]
        if scheme and scheme not in _HARMLESS:
            found.append(
                f"node {node['metadata']['name']} is a machine of the provider {scheme!r}, "
                "whose node controller deletes nodes that it does not know"
            )
            break
    try:
        groups = {group["name"] for group in (await client.get("/apis")).get("groups") or []}
    except ApiRefused:
        groups = set()
    found += [f"the API group {name} is served: a node autoscaler may act" for name in _AUTOSCALERS if name in groups]
    return found
