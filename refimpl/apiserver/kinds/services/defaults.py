"""Defaults of services, and what an update that leaves values out keeps.

Source: kube-apiserver 1.36 `pkg/apis/core/v1` defaults and `pkg/registry/core/service`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import Object

CLIENT_IP_SECONDS: Final = 3 * 3600
HEADLESS: Final = "None"


def set_defaults(service: Object) -> None:
    """Fills in a service on every write."""
    spec = service.setdefault("spec", {})
    kind = spec["type"] = spec.get("type") or "ClusterIP"
    _affinity(spec)
    for port in spec.get("ports") or []:
        port["protocol"] = port.get("protocol") or "TCP"
        if port.get("targetPort") in {None, 0, ""}:
            port["targetPort"] = port.get("port", 0)
    if is_external(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind != "ExternalName" and spec.get("internalTrafficPolicy") is None:
        spec["internalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True
    status = service.setdefault("status", {})
    for ingress in status.setdefault("loadBalancer", {}).get("ingress") or []:
        if kind == "LoadBalancer" and ingress.get("ip"):
            ingress.setdefault("ipMode", "VIP")


def _affinity(spec: Object) -> None:
    affinity = spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        given = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if given.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": CLIENT_IP_SECONDS}}


def is_external(spec: Object) -> bool:
    """Whether the service can be reached from outside of the cluster."""
    return needs_node_port(spec) or (spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_cluster_ip(spec: Object) -> bool:
    """Whether the service has an address of its own."""
    return spec.get("type") != "ExternalName"


def needs_node_port(spec: Object) -> bool:
    """Whether the service has ports on every node."""
    return spec.get("type") in {"NodePort", "LoadBalancer"}


def needs_health_port(spec: Object) -> bool:
    """Whether a load balancer asks every node if it has endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def is_headless(spec: Object) -> bool:
    """Whether the service is only a name."""
    return spec.get("clusterIP") == HEADLESS


def same_cluster_ip(spec: Object) -> None:
    """`clusterIP` and the first of `clusterIPs` are one value, as far as one of them is absent."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def follow_cluster_ip(before: Object, after: Object) -> None:
    """A client that knows only `clusterIP` and changes it means both fields."""
    old, new = before.get("clusterIP", ""), after.get("clusterIP", "")
    if old == new or after.get("clusterIPs") != before.get("clusterIPs"):
        same_cluster_ip(after)
        return
    if new:
        after["clusterIPs"] = [new]
    else:
        after.pop("clusterIPs", None)


def keep_allocated(before: Object, after: Object) -> None:
    """What was allocated stays when an update leaves it out."""
    if needs_cluster_ip(before) and needs_cluster_ip(after):
        if not after.get("clusterIP"):
            _copy(before, after, "clusterIP")
        if not after.get("clusterIPs") and after.get("clusterIP") == before.get("clusterIP"):
            _copy(before, after, "clusterIPs")
        for key in ("ipFamilies", "ipFamilyPolicy"):
            if not after.get(key):
                _copy(before, after, key)
    if needs_node_port(before) and needs_node_port(after):
        _keep_node_ports(before, after)
    if needs_health_port(before) and needs_health_port(after) and not after.get("healthCheckNodePort"):
        _copy(before, after, "healthCheckNodePort")


def _copy(before: Object, after: Object, key: str) -> None:
    if key in before:
        after[key] = before[key]


def _keep_node_ports(before: Object, after: Object) -> None:
    ports = after.get("ports") or []
    used = {port["nodePort"] for port in ports if port.get("nodePort")}
    known = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in before.get("ports") or []}
    for port in ports:
        kept = known.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and kept and kept not in used:
            port["nodePort"] = kept
            used.add(kept)


def drop_outdated(before: Object, after: Object) -> None:
    """Values that only the old type had go with it, unless the update itself changed them."""
    if needs_cluster_ip(before) and not needs_cluster_ip(after):
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            _drop_unchanged(before, after, key)
    if needs_node_port(before) and not needs_node_port(after):
        was = [port.get("nodePort") for port in before.get("ports") or []]
        if was == [port.get("nodePort") for port in after.get("ports") or []]:
            for port in after.get("ports") or []:
                port.pop("nodePort", None)
    if needs_health_port(before) and not needs_health_port(after):
        _drop_unchanged(before, after, "healthCheckNodePort")
    if is_external(before) and not is_external(after):
        _drop_unchanged(before, after, "externalTrafficPolicy")
    if before.get("type") == "LoadBalancer" and after.get("type") != "LoadBalancer":
        for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            _drop_unchanged(before, after, key)


def _drop_unchanged(before: Object, after: Object, key: str) -> None:
    if after.get(key) == before.get(key):
        after.pop(key, None)
