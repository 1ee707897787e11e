"""What is wrong with a service.

Source: kube-apiserver 1.36 `pkg/apis/core/validation` (ValidateService, ValidateServiceUpdate).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import addresses, causes, internal, metadata, numbers
from refimpl.apiserver.kinds.podspec.containers import PROTOCOLS
from refimpl.apiserver.kinds.services import defaults

TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
KUBELET_PORT: Final = 10250
MAX_AFFINITY_SECONDS: Final = 86400


def service_causes(service: Object) -> Iterable[Cause]:
    """Rules for a service as it stands."""
    spec = service["spec"]
    ports, kind = spec.get("ports") or [], spec.get("type", "")
    if not ports and not defaults.is_headless(spec) and kind != "ExternalName":
        yield causes.required("spec.ports")
    yield from _type_causes(spec, kind)
    yield from _port_causes(ports)
    yield from metadata.label_causes(spec.get("selector"), "spec.selector")
    yield from _affinity_causes(spec)
    yield from _address_causes(spec)
    for index, address in enumerate(spec.get("externalIPs") or []):
        yield from addresses.ip_causes(address, f"spec.externalIPs[{index}]", canonical=False)
        yield from addresses.special_causes(address, f"spec.externalIPs[{index}]")
    if kind not in TYPES:
        yield causes.not_supported("spec.type", kind, TYPES)
    yield from _node_port_causes(ports, kind)
    yield from _same_port_causes(ports)
    yield from _source_range_causes(spec, kind)
    yield from _traffic_causes(spec, kind)


def _type_causes(spec: Object, kind: str) -> Iterable[Cause]:
    if kind == "LoadBalancer":
        for index, port in enumerate(spec.get("ports") or []):
            if port.get("port") == KUBELET_PORT:
                why = f"may not expose port {KUBELET_PORT} externally since it is used by kubelet"
                yield causes.invalid(f"spec.ports[{index}]", KUBELET_PORT, why)
    if kind in {"LoadBalancer", "NodePort"} and defaults.is_headless(spec):
        yield causes.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(key):
                yield causes.forbidden(f"spec.{key}", "may not be set for ExternalName services")
        target = spec.get("externalName", "").removesuffix(".")
        if not target:
            yield causes.required("spec.externalName")
        for why in names.dns1123_subdomain(target) if target else ():
            yield causes.invalid("spec.externalName", target, why)


def _port_causes(ports: list[Object]) -> Iterable[Cause]:
    taken: set[str] = set()
    for index, port in enumerate(ports):
        here, name = f"spec.ports[{index}]", port.get("name", "")
        if not name and len(ports) > 1:
            yield causes.required(f"{here}.name")
        for why in names.dns1123_label(name) if name else ():
            yield causes.invalid(f"{here}.name", name, why)
        if name in taken:
            yield causes.duplicate(f"{here}.name", name)
        taken |= {name} - {""}
        yield from numbers.port(port.get("port", 0), f"{here}.port")
        protocol = port.get("protocol", "")
        if protocol not in PROTOCOLS:
            yield causes.not_supported(f"{here}.protocol", protocol, PROTOCOLS)
        yield from numbers.port_or_name(port.get("targetPort"), f"{here}.targetPort")
        for why in names.qualified_name(port["appProtocol"]) if port.get("appProtocol") is not None else ():
            yield causes.invalid(f"{here}.appProtocol", port["appProtocol"], why)


def _affinity_causes(spec: Object) -> Iterable[Cause]:
    affinity = spec.get("sessionAffinity", "")
    if affinity not in {"ClientIP", "None"}:
        yield causes.not_supported("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    if affinity == "ClientIP":
        seconds = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds", 0)
        if not 0 < seconds <= MAX_AFFINITY_SECONDS:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            yield causes.invalid(path, seconds, f"must be greater than 0 and less than {MAX_AFFINITY_SECONDS}")


def _address_causes(spec: Object) -> Iterable[Cause]:
    if spec.get("type") == "ExternalName":
        return
    first, listed, path = spec.get("clusterIP", ""), spec.get("clusterIPs") or [], "spec.clusterIPs"
    if first and not listed:
        yield causes.required(path)
    elif first and listed[0] != first:
        yield causes.invalid(path, listed, "first value must match `clusterIP`")
    elif not first and listed:
        yield causes.invalid(path, listed, "must be empty when `clusterIP` is not specified")
    yield from _family_causes(spec)
    for index, address in enumerate(listed):
        if address == defaults.HEADLESS and index == 0:
            if len(listed) > 1:
                yield causes.invalid(path, listed, "'None' must be the first and only value")
            continue
        yield from addresses.ip_causes(address, f"{path}[{index}]", canonical=False)
    if len(listed) > 2:
        yield causes.invalid(path, listed, "may only hold up to 2 values")


def _family_causes(spec: Object) -> Iterable[Cause]:
    seen: list[str] = []
    for index, family in enumerate(spec.get("ipFamilies") or []):
        here = f"spec.ipFamilies[{index}]"
        if family not in {"IPv4", "IPv6"}:
            yield causes.not_supported(here, family, ("IPv4", "IPv6"))
        if family in seen:
            yield causes.duplicate(here, family)
        seen.append(family)
    policy, known = spec.get("ipFamilyPolicy"), ("PreferDualStack", "RequireDualStack", "SingleStack")
    if policy is not None and policy not in known:
        yield causes.not_supported("spec.ipFamilyPolicy", policy, known)


def _node_port_causes(ports: list[Object], kind: str) -> Iterable[Cause]:
    seen: list[tuple[str, int]] = []
    for index, port in enumerate(ports):
        number, here = port.get("nodePort", 0), f"spec.ports[{index}].nodePort"
        if number and kind == "ClusterIP":
            yield causes.forbidden(here, "may not be used when `type` is 'ClusterIP'")
    for index, port in enumerate(ports):
        key = (port.get("protocol", ""), port.get("nodePort", 0))
        if key[1] and key in seen:
            yield causes.duplicate(f"spec.ports[{index}].nodePort", key[1])
        seen.append(key)


def _same_port_causes(ports: list[Object]) -> Iterable[Cause]:
    seen: list[Object] = []
    for index, port in enumerate(ports):
        key = {"protocol": port.get("protocol", ""), "port": port.get("port", 0)}
        if key in seen:
            yield causes.duplicate(f"spec.ports[{index}]", internal.shown("ServicePort", key))
        seen.append(key)


def _source_range_causes(spec: Object, kind: str) -> Iterable[Cause]:
    ranges, path = spec.get("loadBalancerSourceRanges") or [], "spec.LoadBalancerSourceRanges"
    if ranges and kind != "LoadBalancer":
        yield causes.forbidden(path, "may only be used when `type` is 'LoadBalancer'")
    for index, cidr in enumerate(ranges):
        yield from addresses.cidr_causes(cidr.strip(), f"{path}[{index}]")


def _traffic_causes(spec: Object, kind: str) -> Iterable[Cause]:
    path, policy = "spec.externalTrafficPolicy", spec.get("externalTrafficPolicy", "")
    if not defaults.is_external(spec):
        if policy:
            yield causes.invalid(path, policy, "may only be set for externally-accessible services")
    elif policy not in {"Cluster", "Local"}:
        yield causes.not_supported(path, policy, ("Cluster", "Local"))
    if spec.get("healthCheckNodePort") and not defaults.needs_health_port(spec):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield causes.invalid("spec.healthCheckNodePort", spec["healthCheckNodePort"], why)
    if kind != "LoadBalancer":
        for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if spec.get(key) is not None:
                yield causes.forbidden(f"spec.{key}", "may only be used when `type` is 'LoadBalancer'")
    internal_policy = spec.get("internalTrafficPolicy")
    if internal_policy is not None and internal_policy not in {"Cluster", "Local"}:
        yield causes.not_supported("spec.internalTrafficPolicy", internal_policy, ("Cluster", "Local"))


def change_causes(before: Object, after: Object) -> Iterable[Cause]:
    """The address of a service stays, as long as the service has one."""
    if not (defaults.needs_cluster_ip(before) and defaults.needs_cluster_ip(after)):
        return
    was, now = before.get("clusterIPs") or [], after.get("clusterIPs") or []
    if was and was[:1] != now[:1]:
        yield causes.invalid("spec.clusterIPs[0]", now, "may not change once set")


def status_change_causes(service: Object) -> Iterable[Cause]:
    """Only a load balancer has ingress points."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if ingress and service["spec"].get("type") != "LoadBalancer":
        why = 'may only be used when `spec.type` is "LoadBalancer"'
        yield causes.forbidden("status.loadBalancer.ingress", why)
    for index, point in enumerate(ingress):
        if point.get("ip"):
            path = f"status.loadBalancer.ingress[{index}].ip"
            yield from addresses.ip_causes(point["ip"], path, canonical=False)
