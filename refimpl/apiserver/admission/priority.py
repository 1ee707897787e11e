"""The priority of a pod comes from its PriorityClass, and from nowhere else.

Source: kube-apiserver 1.36 `plugin/pkg/admission/priority`; that system classes stay is a rule of
`pkg/registry/scheduling/priorityclass`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import Object, forbidden
from refimpl.api.resources import PODS, PRIORITYCLASSES
from refimpl.apiserver.strategy import Context

CONCERNS: Final = (PODS, PRIORITYCLASSES)

SYSTEM_CLASSES: Final = frozenset({"system-cluster-critical", "system-node-critical"})
DEFAULT_POLICY: Final = "PreemptLowerPriority"

_COMPUTED: Final = (
    "must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name"
)


def admit(ctx: Context, old: Object | None, new: Object | None) -> None:
    """See `chain.Plugin`."""
    if ctx.subresource:
        return
    if ctx.resource is PODS and new is not None:
        if old is None:
            resolve(ctx, new)
        else:
            keep_resolved(old, new)
    elif ctx.resource is PRIORITYCLASSES:
        if new is None:
            _refuse_deletion(ctx)
        elif new.get("globalDefault"):
            _refuse_second_default(ctx)


def resolve(ctx: Context, pod: Object) -> None:
    """Sets priority and preemption policy of a new pod."""
    spec = pod["spec"]
    chosen = class_of(ctx, spec.get("priorityClassName", ""))
    priority = chosen.get("value", 0)
    policy = chosen.get("preemptionPolicy", DEFAULT_POLICY)
    if chosen:
        spec["priorityClassName"] = chosen["metadata"]["name"]
    given = spec.get("priority")
    if given is not None and given != priority:
        why = f"the integer value of priority ({given}) {_COMPUTED.format(priority)}"
        raise forbidden(PODS, ctx.name, why)
    spec["priority"] = priority
    given = spec.get("preemptionPolicy")
    if given is not None and given != policy:
        why = f"the string value of PreemptionPolicy ({given}) {_COMPUTED.format(policy)}"
        raise forbidden(PODS, ctx.name, why)
    spec["preemptionPolicy"] = policy


def class_of(ctx: Context, name: str) -> Object:
    """The class of that name; without a name the cluster's default class, or an empty object."""
    if name:
        found = ctx.reader.get(PRIORITYCLASSES, name)
        if found is None:
            raise forbidden(PODS, ctx.name, f"no PriorityClass with name {name} was found")
        return found
    return default_class(ctx) or {}


def default_class(ctx: Context) -> Object | None:
    """The class marked as the cluster's default; the lowest, should there be several."""
    marked = [found for found in ctx.reader.list(PRIORITYCLASSES) if found.get("globalDefault")]
    return min(marked, key=lambda found: int(found.get("value", 0)), default=None)


def keep_resolved(old: Object, new: Object) -> None:
    """Old clients leave out what they do not know."""
    for key in ("priority", "preemptionPolicy"):
        if new["spec"].get(key) is None and old["spec"].get(key) is not None:
            new["spec"][key] = old["spec"][key]


def _refuse_deletion(ctx: Context) -> None:
    if ctx.name in SYSTEM_CLASSES:
        raise forbidden(PRIORITYCLASSES, ctx.name, "this is a system priority class and cannot be deleted")


def _refuse_second_default(ctx: Context) -> None:
    present = default_class(ctx)
    if present is not None and present["metadata"]["name"] != ctx.name:
        name = present["metadata"]["name"]
        why = f"PriorityClass {name} is already marked as default. Only one default can exist"
        raise forbidden(PRIORITYCLASSES, ctx.name, why)
