"""What may change in a pod.

Source: kube-apiserver 1.36 `pkg/apis/core/validation` (ValidatePodUpdate, ValidatePodStatusUpdate).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import addresses, causes, internal, numbers
from refimpl.apiserver.kinds.pods.validation import image_causes
from refimpl.apiserver.kinds.podspec import containers
from refimpl.apiserver.kinds.podspec.scheduling import toleration_causes

ONLY_THESE: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
FIXED_TOLERATION: Final = "existing toleration can not be modified except its tolerationSeconds"
LEFT_TERMINATED: Final = "may not be transitioned to non-terminated state"
CONDITIONS: Final = frozenset({"PodScheduled", "Ready", "Initialized", "ContainersReady"})


def spec_change_causes(old: Object, new: Object) -> list[Cause]:
    """Rules for a change of the spec of a pod; the first group that finds something ends the search."""
    before, after = old["spec"], new["spec"]
    found: list[Cause] = []
    for key in ("containers", "initContainers"):
        was, now = before.get(key) or [], after.get(key) or []
        if len(was) != len(now):
            return [*found, causes.forbidden(f"spec.{key}", "pod updates may not add or remove containers")]
        for index, container in enumerate(now):
            found += _image_change_causes(container, f"spec.{key}[{index}]")
    deadline = _deadline_causes(before.get("activeDeadlineSeconds"), after.get("activeDeadlineSeconds"))
    if deadline:
        return [*found, *deadline]
    found += _gate_causes(before, after)
    found += added_toleration_causes(before.get("tolerations") or [], after.get("tolerations") or [])
    allowed = with_allowed_changes(before, after)
    if allowed != before:
        diff = internal.difference("PodSpec", internal_spec(before), internal_spec(allowed))
        found.append(causes.forbidden("spec", f"{ONLY_THESE}\n{diff}"))
    return found


def internal_spec(spec: Object) -> Object:
    """The spec with the host's namespaces in its security context, where the server keeps them."""
    host = {
        key: spec[key]
        for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
        if key in spec
    }
    return {**spec, "securityContext": {**(spec.get("securityContext") or {}), **host}}


def _image_change_causes(container: Object, path: str) -> Iterable[Cause]:
    if not container.get("image"):
        yield causes.required(f"{path}.image")
    yield from image_causes(container, path)


def _deadline_causes(before: int | None, after: int | None) -> list[Cause]:
    path = "spec.activeDeadlineSeconds"
    if after is None:
        why = "must not update from a positive integer to nil value"
        return [] if before is None else [causes.invalid(path, None, why)]
    wrong = list(numbers.between(after, 0, numbers.MAX_INT32, path))
    if not wrong and before is not None and before < after:
        return [causes.invalid(path, after, "must be less than or equal to previous value")]
    return wrong


def _gate_causes(before: Object, after: Object) -> Iterable[Cause]:
    old_names = {gate.get("name") for gate in before.get("schedulingGates") or []}
    for index, gate in enumerate(after.get("schedulingGates") or []):
        if gate.get("name") not in old_names:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.get('name', '')}'"
            yield causes.forbidden(f"spec.schedulingGates[{index}]", why)


def added_toleration_causes(before: list[Object], after: list[Object]) -> list[Cause]:
    """Tolerations may be added, and their seconds may change; nothing else."""
    kept = [_without_seconds(toleration) for toleration in after]
    if any(_without_seconds(toleration) not in kept for toleration in before):
        return [causes.forbidden("spec.tolerations", FIXED_TOLERATION)]
    return list(toleration_causes(after, "spec.tolerations")) if before != after else []


def _without_seconds(toleration: Object) -> Object:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}


def with_allowed_changes(before: Object, after: Object) -> Object:
    """The new spec with everything undone that may change; what still differs may not."""
    allowed = dict(after)
    for key in ("containers", "initContainers"):
        if key in after and before.get(key):
            pairs = zip(before[key], after[key], strict=True)
            allowed[key] = [{**now, "image": was.get("image", "")} for was, now in pairs]
    undone = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if before.get("schedulingGates"):
        selector, narrowed = before.get("nodeSelector") or {}, after.get("nodeSelector") or {}
        if selector.items() <= narrowed.items():
            undone.append("nodeSelector")
    for key in undone:
        allowed.pop(key, None)
        if key in before:
            allowed[key] = before[key]
    return allowed


def status_change_causes(old: Object, new: Object) -> Iterable[Cause]:
    """Rules for a change of the status of a pod."""
    before, after = old.get("status") or {}, new.get("status") or {}
    for index, condition in enumerate(after.get("conditions") or []):
        kind = condition.get("type", "")
        for why in names.qualified_name(kind) if kind not in CONDITIONS else ():
            yield causes.invalid(f"metadata.conditions[{index}].Type", kind, why)
    nominated = after.get("nominatedNodeName", "")
    if nominated and nominated != before.get("nominatedNodeName", ""):
        for why in names.dns1123_subdomain(nominated):
            yield causes.invalid("status.nominatedNodeName", nominated, why)
    for key in ("containerStatuses", "initContainerStatuses"):
        yield from _transition_causes(old["spec"], before.get(key) or [], after.get(key) or [], f"status.{key}")
    yield from causes.immutable("status.qosClass", before.get("qosClass", ""), after.get("qosClass", ""))
    if before.get("podIPs") != after.get("podIPs"):
        yield from _address_causes(after.get("podIPs") or [], "status.podIPs")
    hosts = after.get("hostIPs") or []
    if before.get("hostIPs") != hosts:
        if hosts and hosts[0].get("ip", "") != after.get("hostIP", ""):
            yield causes.invalid("status.hostIPs[0].ip", hosts[0].get("ip", ""), "must be equal to `hostIP`")
        yield from _address_causes(hosts, "status.hostIPs")


def _address_causes(listed: list[Object], path: str) -> Iterable[Cause]:
    texts = [address.get("ip", "") for address in listed]
    for index, text in enumerate(texts):
        yield from addresses.ip_causes(text, f"{path}[{index}]", canonical=False)
    yield from addresses.family_causes(texts, path, [{"IP": text} for text in texts])


def _transition_causes(spec: Object, before: list[Object], after: list[Object], path: str) -> Iterable[Cause]:
    """A container that ended for good stays ended."""
    policy = spec.get("restartPolicy")
    if policy == "Always":
        return
    sidecars = {item.get("name") for item in spec.get("initContainers") or [] if item.get("restartPolicy") == "Always"}
    now = {status.get("name"): status for status in after}
    for index, status in enumerate(before):
        ended = (status.get("state") or {}).get("terminated")
        if ended is None or (ended.get("exitCode", 0) and policy == "OnFailure") or status.get("name") in sidecars:
            continue
        later = now.get(status.get("name"))
        if later is not None and (later.get("state") or {}).get("terminated") is None:
            yield causes.forbidden(f"{path}[{index}].state", LEFT_TERMINATED)


def ephemeral_change_causes(old: Object, new: Object) -> Iterable[Cause]:
    """Ephemeral containers may be added, and stay as they were added."""
    path = "spec.ephemeralContainers"
    now = {container.get("name"): container for container in new["spec"].get("ephemeralContainers") or []}
    for container in old["spec"].get("ephemeralContainers") or []:
        name = container.get("name")
        if name not in now:
            yield causes.forbidden(path, f'existing ephemeral containers "{name}" may not be removed')
        elif now[name] != container:
            yield causes.forbidden(path, f'existing ephemeral containers "{name}" may not be changed')
    volumes = {volume.get("name", "") for volume in old["spec"].get("volumes") or []}
    taken = {item.get("name", "") for key in ("containers", "initContainers") for item in old["spec"].get(key) or []}
    yield from containers.ephemeral_causes(new["spec"].get("ephemeralContainers") or [], taken, volumes, path)
