"""What a pod's RuntimeClass adds to it: overhead, node selector, tolerations.

Source: kube-apiserver 1.36 `plugin/pkg/admission/runtimeclass`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api import podresources
from refimpl.api.errors import ApiError, Object, forbidden
from refimpl.api.resources import PODS, RUNTIMECLASSES
from refimpl.apiserver.strategy import Context

CONCERNS: Final = (PODS,)


def admit(ctx: Context, _old: Object | None, new: Object | None) -> None:
    """See `chain.Plugin`."""
    if ctx.operation != "CREATE" or ctx.subresource or new is None:
        return
    spec = new["spec"]
    chosen = class_of(ctx, spec.get("runtimeClassName"))
    _set_overhead(ctx, spec, (chosen.get("overhead") or {}).get("podFixed"))
    _set_scheduling(ctx, spec, chosen.get("scheduling") or {})


def class_of(ctx: Context, name: str | None) -> Object:
    """The RuntimeClass of that name, or an empty object without a name."""
    if not name:
        return {}
    found = ctx.reader.get(RUNTIMECLASSES, name)
    if found is None:
        raise _refused(ctx, f'RuntimeClass "{name}" not found')
    return found


def _set_overhead(ctx: Context, spec: Object, overhead: dict[str, str] | None) -> None:
    given = spec.get("overhead")
    if overhead is None:
        if given is not None:
            raise _refused(ctx, "Pod Overhead set without corresponding RuntimeClass defined Overhead")
        return
    if given is not None and podresources.parse(given) != podresources.parse(overhead):
        raise _refused(ctx, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    spec["overhead"] = dict(overhead)


def _set_scheduling(ctx: Context, spec: Object, scheduling: Object) -> None:
    selector, own = scheduling.get("nodeSelector") or {}, spec.get("nodeSelector") or {}
    for key, value in selector.items():
        if own.get(key, value) != value:
            wanted = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}"
            why = f"conflict: {wanted}; pod.spec.nodeSelector[{key}] = {own[key]}"
            raise forbidden(PODS, ctx.name, why)
    if selector:
        spec["nodeSelector"] = {**own, **selector}
    tolerations = spec.get("tolerations") or []
    added = [toleration for toleration in scheduling.get("tolerations") or [] if toleration not in tolerations]
    if added:
        spec["tolerations"] = [*tolerations, *added]


def _refused(ctx: Context, why: str) -> ApiError:
    return forbidden(PODS, ctx.name, f"pod rejected: {why}")
