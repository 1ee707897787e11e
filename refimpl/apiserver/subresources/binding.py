"""`pods/binding` and `bindings`: a scheduler's decision is written into the pod.

Source: kube-apiserver 1.36, `registry/core/pod/storage`.
"""

from __future__ import annotations

import attrs

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object, bad_request, conflict, failure
from refimpl.api.resources import BINDINGS, PODS, Resource
from refimpl.apiserver.verbs import decoding, update, writeoptions
from refimpl.apiserver.verbs.call import Answer, Call, done

_PODS_BINDING = Resource("", "v1", "Pod", "pods/binding")


async def create_for_pod(call: Call) -> Answer:
    """POST `pods/NAME/binding`.

    Raises:
        ApiError: 400, 404, 409, 500 for a target that is no node.
    """
    options = writeoptions.read(call, "CreateOptions")
    binding = decoding.read_object(call, options.field_validation, BINDINGS)
    name = binding["metadata"].get("name", "")
    if name != call.target.name:
        raise bad_request("name in URL does not match name in Binding object")
    return await bind(call, binding, dry_run=options.dry_run)


async def create(call: Call) -> Answer:
    """POST `bindings`: the older form, which names the pod only in the body."""
    options = writeoptions.read(call, "CreateOptions")
    binding = decoding.read_object(call, options.field_validation, BINDINGS)
    name = binding["metadata"].get("name", "")
    if not name:
        raise bad_request("Name parameter required.")
    pod = attrs.evolve(call.target, resource=PODS, name=name)
    strategy = call.registry.strategy(PODS)
    return await bind(attrs.evolve(call, target=pod, strategy=strategy), binding, dry_run=options.dry_run)


async def bind(call: Call, binding: Object, *, dry_run: bool) -> Answer:
    """Assigns the pod to the target node."""
    check_target(binding.get("target") or {})
    whole = attrs.evolve(call, target=attrs.evolve(call.target, subresource="binding"))
    await update.rewrite(whole, lambda pod: assigned(call, pod, binding), dry_run=dry_run)
    return Answer(201, obj=done(201), plain=True)


def check_target(target: Object) -> None:
    """Only nodes can be bound to.

    Raises:
        ApiError: 500, as the original answers a plain validation error.
    """
    kind = target.get("kind", "")
    if kind not in {"", "Node"}:
        raise failure(500, "", f'target.kind: Unsupported value: "{kind}": supported values: "Node", "<empty>"')
    if not target.get("name"):
        raise failure(500, "", "target.name: Required value")


def assigned(call: Call, pod: Object, binding: Object) -> Object:
    """The pod with its node; the binding's annotations and labels go along.

    Raises:
        ApiError: 409, the pod is terminating, assigned already, or another one than the binding means.
    """
    name = call.target.name
    wanted = binding["metadata"].get("uid")
    if wanted and wanted != meta.uid(pod):
        raise conflict(PODS, name, update.storage_precondition(call, wanted, meta.uid(pod)))
    refusal = refused(pod, name)
    if refusal is not None:
        raise refusal
    pod.setdefault("spec", {})["nodeName"] = binding["target"]["name"]
    for field in ("annotations", "labels"):
        given = binding["metadata"].get(field)
        if given:
            pod["metadata"][field] = {**(pod["metadata"].get(field) or {}), **given}
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    set_condition(conditions, {"type": "PodScheduled", "status": "True", "lastProbeTime": None}, call.clock.timestamp())
    return pod


def set_condition(conditions: list[Object], new: Object, now: str) -> None:
    """Adds or replaces a condition; an unchanged status keeps its transition time."""
    for index, condition in enumerate(conditions):
        if condition["type"] == new["type"]:
            kept = condition.get("lastTransitionTime") if condition.get("status") == new["status"] else now
            conditions[index] = {**new, "lastTransitionTime": kept}
            return
    conditions.append({**new, "lastTransitionTime": now})


def refused(pod: Object, name: str) -> ApiError | None:
    """Why a pod cannot be assigned, or None."""
    if meta.is_terminating(pod):
        return conflict(_PODS_BINDING, name, f"pod {name} is being deleted, cannot be assigned to a host")
    node = (pod.get("spec") or {}).get("nodeName")
    if node:
        return conflict(_PODS_BINDING, name, f'pod {name} is already assigned to node "{node}"')
    if (pod.get("spec") or {}).get("schedulingGates"):
        return conflict(_PODS_BINDING, name, f"pod {name} has non-empty .spec.schedulingGates")
    return None
