"""`pods/resize`: how much CPU and memory the containers of a placed pod may use.

Source: kube-apiserver 1.36 `pkg/registry/core/pod` (podResizeStrategy) and `pkg/apis/core/validation`
(ValidatePodResize).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from refimpl.api.errors import Cause, Object
from refimpl.api.podresources import is_sidecar, qos_class
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.kinds.pods.validation import MIRROR_ANNOTATION

RESIZABLE: Final = ("cpu", "memory")
LISTS: Final = ("containers", "initContainers")
ONLY_RESIZABLE: Final = "only cpu and memory resources are mutable"


def resized(old: Object, new: Object) -> Object:
    """The pod that a resize asks for: the stored one with the wanted `resources` and `resizePolicy` of containers.

    Containers that do not fit those of the stored pod are left as they came, for validation to refuse.
    """
    before, after = old["spec"], new["spec"]
    if any(len(before.get(key) or []) != len(after.get(key) or []) for key in LISTS):
        return new
    spec = dict(before)
    for key in LISTS:
        if before.get(key):
            spec[key] = _with_resources(before[key], after[key])
    spec.pop("resources", None)
    if after.get("resources") is not None:
        spec["resources"] = after["resources"]
    return {**old, "spec": spec, "metadata": dict(old["metadata"])}


def _with_resources(before: list[Object], after: list[Object]) -> list[Object]:
    if [container.get("name") for container in before] != [container.get("name") for container in after]:
        return after
    merged = []
    for was, now in zip(before, after, strict=True):
        container = {key: value for key, value in was.items() if key != "resizePolicy"}
        container["resources"] = now.get("resources") or {}
        if now.get("resizePolicy"):
            container["resizePolicy"] = now["resizePolicy"]
        merged.append(container)
    return merged


def resize_causes(old: Object, new: Object) -> list[Cause]:
    """Rules for a change of the resources of a pod, its metadata and the rules for any pod aside."""
    before, after = old["spec"], new["spec"]
    found: list[Cause] = []
    if (old.get("status") or {}).get("qosClass", qos_class(old)) != qos_class(new):
        shown = (new.get("status") or {}).get("qosClass", "")
        found.append(causes.invalid("spec", shown, "Pod QOS Class may not change as a result of resizing"))
    if not runs_where_resizing_is_known(old):
        found.append(causes.forbidden("spec", "Pod running on node without support for resize"))
    found += _pod_level_causes(before.get("resources"), after.get("resources"))
    misplaced = list(_order_causes(before, after))
    if misplaced:
        return [*found, *misplaced]
    for key in reversed(LISTS):
        for index, (was, now) in enumerate(_pairs(before, after, key)):
            found += _removal_causes(was, now, f"spec.{key}[{index}].resources", "resource")
    for was, now in _pairs(before, after, "containers"):
        if _rest(was) != _rest(now):
            found.append(causes.forbidden("spec", ONLY_RESIZABLE))
    for index, (was, now) in enumerate(_pairs(before, after, "initContainers")):
        found += _init_causes(was, now, f"spec.initContainers[{index}]")
    return found


def refusal(old: Object) -> Cause | None:
    """Why no resize of this pod is considered at all, or None."""
    if MIRROR_ANNOTATION in (old["metadata"].get("annotations") or {}):
        return causes.forbidden("", "static pods cannot be resized")
    if (old["spec"].get("os") or {}).get("name") == "windows":
        return causes.forbidden("", "windows pods cannot be resized")
    return None


def runs_where_resizing_is_known(pod: Object) -> bool:
    """Whether the first running container tells its resources, as kubelets that can resize do; or none runs yet."""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        if (status.get("state") or {}).get("running") is not None:
            return status.get("resources") is not None
    return True


def _pairs(before: Object, after: Object, key: str) -> Iterable[tuple[Object, Object]]:
    return zip(before.get(key) or [], after.get(key) or [], strict=True)


def _order_causes(before: Object, after: Object) -> Iterable[Cause]:
    for key in LISTS:
        was, now = before.get(key) or [], after.get(key) or []
        if len(was) != len(now):
            yield causes.forbidden(f"spec.{key}", f"{key} may not be added or removed on resize")
            continue
        for index, (left, right) in enumerate(zip(was, now, strict=True)):
            if left.get("name") != right.get("name"):
                path = f"spec.{key}[{index}].name"
                yield causes.forbidden(path, f"{key} may not be renamed or reordered on resize")


def _removal_causes(was: Object, now: Object, path: str, what: str) -> Iterable[Cause]:
    for which in ("requests", "limits"):
        before, after = ((holder.get("resources") or {}).get(which) or {} for holder in (was, now))
        if not before.keys() <= after.keys():
            yield causes.forbidden(f"{path}.{which}", f"{what} {which} cannot be removed")


def _pod_level_causes(was: Object | None, now: Object | None) -> Iterable[Cause]:
    if was is not None and now is None:
        yield causes.forbidden("spec.resources", "pod-level resources cannot be removed")
    elif was != now:
        left, right = {"resources": was or {}}, {"resources": now or {}}
        yield from _removal_causes(left, right, "spec.resources", "pod-level resource")
        if _rest(left) != _rest(right):
            yield causes.forbidden("spec", f"{ONLY_RESIZABLE} at pod-level")


def _init_causes(was: Object, now: Object, path: str) -> Iterable[Cause]:
    if _rest(was) != _rest(now):
        yield causes.forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable")
    restarts = any(policy.get("restartPolicy") == "RestartContainer" for policy in now.get("resizePolicy") or [])
    if was != now and not is_sidecar(now) and restarts:
        why = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
        yield causes.forbidden(path, why)


def _rest(container: Object) -> Object:
    """A container without what a resize may change."""
    resources: Mapping[str, object] = container.get("resources") or {}
    rest = {key: value for key, value in resources.items() if key not in {"requests", "limits"}}
    for which in ("requests", "limits"):
        amounts = container.get("resources", {}).get(which) or {}
        rest[which] = {name: amount for name, amount in amounts.items() if name not in RESIZABLE}
    return {**container, "resources": rest}
