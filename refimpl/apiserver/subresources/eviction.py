"""`pods/eviction`: a deletion that asks the disruption budgets first.

Source: kube-apiserver 1.36, `registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

import attrs

from refimpl.api import meta, selectors
from refimpl.api.errors import (
    ApiError,
    Object,
    bad_request,
    failure,
    forbidden,
    not_found,
    too_many_requests,
)
from refimpl.api.resources import PODDISRUPTIONBUDGETS, PODS, Resource
from refimpl.apiserver import admission
from refimpl.apiserver.paths import Target
from refimpl.apiserver.subresources.binding import set_condition
from refimpl.apiserver.verbs import decoding, delete, deleteoptions, update, writeoptions
from refimpl.apiserver.verbs.call import Answer, Call, done
from refimpl.apiserver.verbs.deleteoptions import DeleteOptions

EVICTIONS = Resource("policy", "v1", "Eviction", "evictions")
MAX_DISRUPTED_PODS = 2000
_WOULD_VIOLATE = "Cannot evict pod as it would violate the pod's disruption budget."


async def create(call: Call) -> Answer:
    """Evicts a pod.

    Raises:
        ApiError: 400, 404, 409, 429 when a budget forbids it, 500 when several budgets select the pod.
    """
    options = writeoptions.read(call, "CreateOptions")
    eviction = decoding.read_object(call, options.field_validation, EVICTIONS, also=("policy/v1beta1",))
    if eviction["metadata"].get("name", "") != call.target.name:
        raise bad_request("name in URL does not match name in Eviction object")
    admission.admit(call.context("CREATE", dry_run=options.dry_run), None, eviction)
    chosen = deleteoptions.from_object(eviction.get("deleteOptions") or {})
    chosen = attrs.evolve(chosen, dry_run=chosen.dry_run or options.dry_run)
    pod = call.registry.get(PODS, call.target.name, call.target.namespace)
    if pod is None:
        raise not_found(PODS, call.target.name)
    if not ignores_budgets(pod):
        chosen = await _ask_budgets(call, pod, chosen)
    whole = attrs.evolve(call, target=attrs.evolve(call.target, subresource=""))
    if not chosen.dry_run:
        delete.check_preconditions(whole, chosen, pod)
        await mark_disrupted(whole)
        # The condition made a new version; the precondition was checked before it.
        chosen = attrs.evolve(chosen, resource_version=None)
    await delete.delete_with(whole, chosen, admitted=True)
    return Answer(201, obj=done(201), plain=True)


def ignores_budgets(pod: Object) -> bool:
    """Whether evicting the pod disrupts nothing: it is finished, not started, or terminating already."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in {"Succeeded", "Failed", "Pending"} or meta.is_terminating(pod)


async def _ask_budgets(call: Call, pod: Object, options: DeleteOptions) -> DeleteOptions:
    budgets = budgets_of(call, pod)
    if len(budgets) > 1:
        raise failure(
            500,
            "",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        )
    if not budgets:
        return options
    budget = budgets[0]
    if not meta.is_true(pod, "Ready") and unready_may_go(budget):
        # Nothing is taken from the budget, so the pod must still be unready when it is deleted.
        return attrs.evolve(options, resource_version=options.resource_version or pod["metadata"]["resourceVersion"])
    await _take(call, budget, dry_run=options.dry_run)
    return options


def budgets_of(call: Call, pod: Object) -> list[Object]:
    """The disruption budgets of the pod's namespace that select it."""
    found = []
    for budget in call.registry.list(PODDISRUPTIONBUDGETS, call.target.namespace):
        selector = selectors.from_object((budget.get("spec") or {}).get("selector"))
        if selector.matches(meta.labels(pod)):
            found.append(budget)
    return found


def unready_may_go(budget: Object) -> bool:
    """Whether the budget lets a pod go that does not count as healthy anyway."""
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    wanted = status.get("desiredHealthy", 0)
    return bool(wanted) and status.get("currentHealthy", 0) >= wanted


async def _take(call: Call, budget: Object, *, dry_run: bool) -> None:
    """Takes one disruption from the budget."""
    target = Target(PODDISRUPTIONBUDGETS, call.target.namespace, meta.name(budget), "status")
    about = attrs.evolve(call, target=target, strategy=call.registry.strategy(PODDISRUPTIONBUDGETS))

    def taken(current: Object) -> Object:
        refusal = refused(current)
        if refusal is not None:
            raise refusal
        status = current["status"]
        status["disruptionsAllowed"] -= 1
        status.setdefault("disruptedPods", {})[call.target.name] = call.clock.timestamp()
        return current

    await update.rewrite(about, taken, dry_run=dry_run)


def refused(budget: Object) -> ApiError | None:
    """Why a budget allows no disruption now, or None."""
    status, name = budget.get("status") or {}, meta.name(budget)
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        return _too_many(f"The disruption budget {name} is still being processed by the server.", retry_after=10)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        return forbidden(PODDISRUPTIONBUDGETS, name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or {}) > MAX_DISRUPTED_PODS:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        return forbidden(PODDISRUPTIONBUDGETS, name, why)
    if allowed == 0:
        healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        return _too_many(f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently")
    return None


def _too_many(why: str, retry_after: int = 0) -> ApiError:
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return too_many_requests(_WOULD_VIOLATE, retry_after, causes=causes)


async def mark_disrupted(call: Call) -> None:
    """Tells in the pod's conditions why it is deleted."""

    def marked(pod: Object) -> Object:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        set_condition(pod.setdefault("status", {}).setdefault("conditions", []), condition, call.clock.timestamp())
        return pod

    await update.rewrite(call, marked)
