"""What is wrong with a pod spec.

Source: kube-apiserver 1.36 `pkg/apis/core/validation` (ValidatePodSpec, ValidatePodTemplateSpec).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, labelselectors, metadata, numbers, quantities
from refimpl.apiserver.kinds.podspec import containers, hostnames, resources, scheduling, security, volume_rules

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")


def spec_causes(spec: Object, path: str) -> Iterable[Cause]:
    """Rules for a pod spec in a pod or in a template."""
    wrong_volumes, volume_names = volume_rules.volume_causes(spec.get("volumes") or [], f"{path}.volumes")
    regular, init = spec.get("containers") or [], spec.get("initContainers") or []
    yield from wrong_volumes
    yield from containers.regular_causes(regular, volume_names, f"{path}.containers")
    yield from containers.init_causes(init, regular, volume_names, f"{path}.initContainers")
    yield from _choice_causes(spec, path)
    yield from metadata.label_causes(spec.get("nodeSelector"), f"{path}.nodeSelector")
    yield from security.pod_causes(spec, path)
    yield from scheduling.affinity_causes(spec.get("affinity"), f"{path}.affinity")
    yield from hostnames.dns_config_causes(spec.get("dnsConfig"), spec.get("dnsPolicy", ""), f"{path}.dnsConfig")
    yield from _gate_causes(spec, path)
    constraints = spec.get("topologySpreadConstraints") or []
    yield from scheduling.topology_spread_causes(constraints, f"{path}.topologySpreadConstraints")
    yield from _name_causes(spec, path)
    yield from numbers.between(spec.get("activeDeadlineSeconds"), 1, numbers.MAX_INT32, f"{path}.activeDeadlineSeconds")
    yield from hostnames.own_name_causes(spec, path)
    yield from scheduling.toleration_causes(spec.get("tolerations") or [], f"{path}.tolerations")
    yield from hostnames.alias_causes(spec.get("hostAliases") or [], f"{path}.hostAliases")
    yield from _class_causes(spec, path)
    yield from quantities.list_causes(spec.get("overhead"), f"{path}.overhead")
    if spec.get("resources") is not None:
        yield from resources.requirement_causes(spec["resources"], f"{path}.resources")


def template_causes(template: Object, path: str) -> Iterable[Cause]:
    """Rules for a pod template."""
    about = template.get("metadata") or {}
    yield from metadata.label_causes(about.get("labels"), f"{path}.labels")
    yield from metadata.annotation_causes(about.get("annotations"), f"{path}.annotations")
    spec = template.get("spec") or {}
    yield from spec_causes(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        why = "ephemeral containers not allowed in pod template"
        yield causes.forbidden(f"{path}.spec.ephemeralContainers", why)


def _choice_causes(spec: Object, path: str) -> Iterable[Cause]:
    for key, allowed in (("restartPolicy", RESTART_POLICIES), ("dnsPolicy", DNS_POLICIES)):
        value = spec.get(key, "")
        if value not in allowed:
            yield causes.not_supported(f"{path}.{key}", value, allowed) if value else causes.required(f"{path}.{key}")


def _gate_causes(spec: Object, path: str) -> Iterable[Cause]:
    for index, gate in enumerate(spec.get("readinessGates") or []):
        yield from labelselectors.key_causes(
            gate.get("conditionType", ""), f"{path}.readinessGates[{index}].conditionType"
        )
    seen: list[str] = []
    for index, gate in enumerate(spec.get("schedulingGates") or []):
        name, here = gate.get("name", ""), f"{path}.schedulingGates[{index}]"
        yield from labelselectors.key_causes(name, f"{here}.name") if name else [causes.required(f"{here}.name")]
        if name in seen:
            yield causes.duplicate(here, name)
        seen.append(name)


def _name_causes(spec: Object, path: str) -> Iterable[Cause]:
    for key in ("serviceAccountName", "nodeName"):
        for why in names.dns1123_subdomain(spec[key]) if spec.get(key) else ():
            yield causes.invalid(f"{path}.{key}", spec[key], why)


def _class_causes(spec: Object, path: str) -> Iterable[Cause]:
    for key in ("priorityClassName", "runtimeClassName"):
        for why in names.dns1123_subdomain(spec[key]) if spec.get(key) else ():
            yield causes.invalid(f"{path}.{key}", spec[key], why)
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in PREEMPTION_POLICIES:
        yield causes.not_supported(f"{path}.preemptionPolicy", policy, PREEMPTION_POLICIES)
