"""Faults in the API server: object rules, defaults, admission, field selectors, Leases."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial

from refimpl.api import podresources, times
from refimpl.api.patch import merge, strategic
from refimpl.apiserver import bootstrap
from refimpl.apiserver.admission import defaulttolerationseconds as default_tolerations
from refimpl.apiserver.admission import nodetaint, priority
from refimpl.apiserver.kinds import leases, quantities
from refimpl.apiserver.kinds.nodes import Nodes, validation
from refimpl.apiserver.kinds.nodes import defaults as node_defaults
from refimpl.apiserver.kinds.pods import Pods, changes
from refimpl.apiserver.kinds.pods import defaults as pod_defaults
from refimpl.apiserver.kinds.podspec import defaults as podspec_defaults
from refimpl.apiserver.kinds.podspec import resources as podspec_resources
from refimpl.apiserver.kinds.podspec import scheduling
from refimpl.apiserver.verbs import selection, update, watch
from tests.faults.harness import Fault, replaced

_prepare_node = Nodes.prepare_for_create
_canonical_micro = times.canonical_micro
_transition = watch.transition
_selection = selection._selection
_add_tolerations = default_tolerations.add_tolerations
_speaks_of = default_tolerations.speaks_of
_resolve = priority.resolve
_class_of = priority.class_of
_qos_class = podresources.qos_class
_amount_causes = quantities.amount_causes
_merged = merge._merged
_add_taint = nodetaint.add_not_ready_taint
_new_status = pod_defaults.new_status
_spec_defaults = podspec_defaults.set_spec_defaults
_toleration_causes = scheduling.toleration_causes


def _nothing(*_args, **_more):
    return None


def _no_causes(*_args, **_more):
    return []


def _nothing_changes(_self, _ctx, _old, _new):
    return None


def _drops_the_status(self, ctx, obj):
    _prepare_node(self, ctx, obj)
    obj["status"] = {}
    node_defaults.set_defaults(obj)


def _drops_the_conditions(self, ctx, obj):
    _prepare_node(self, ctx, obj)
    obj["status"].pop("conditions", None)


def _pod_status_writes_spec(self, _ctx, old, new):
    new.setdefault("status", {}).setdefault("qosClass", old["status"].get("qosClass", ""))
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        new["metadata"].pop(key, None)


def _always_the_capacity(status):
    if "capacity" in status:
        status["allocatable"] = dict(status["capacity"])


def _the_rest_is_capacity(status):
    if "capacity" in status:
        status["allocatable"] = {**status["capacity"], **status.get("allocatable", {})}


def _any_sign(name, amount, path):
    return (cause for cause in _amount_causes(name, amount, path) if quantities.NOT_NEGATIVE not in cause.message)


def _fractions(name, amount, path):
    return (cause for cause in _amount_causes(name, amount, path) if quantities.NOT_AN_INTEGER not in cause.message)


def _never_more_than_capacity(node):
    status = node["status"]
    for name, amount in status.get("allocatable", {}).items():
        if podresources.parse({name: amount})[name] > podresources.parse(status["capacity"]).get(name, 0):
            yield quantities.causes.invalid(f"status.allocatable.{name}", amount, "must not exceed the capacity")


def _lists_are_replaced(_field, _old, new):
    return new


def _lists_are_merged(document, target):
    if isinstance(document, list) and isinstance(target, list) and all("type" in one for one in document):
        kinds = [one["type"] for one in document]
        return [*(one for one in target if one["type"] not in kinds), *document]
    return _merged(document, target)


def _blind_to(field):
    def chosen(namespace, name, labels, fields, strategy):
        left = ",".join(part for part in fields.split(",") if not part.startswith(field))
        return _selection(namespace, name, labels, left, strategy)

    return chosen


def _leaves_in_silence(chosen, change):
    told = _transition(chosen, change)
    return "" if told == "DELETED" and change.new is not None else told


def _enters_as_modified(chosen, change):
    told = _transition(chosen, change)
    return "MODIFIED" if told == "ADDED" and change.old is not None else told


def _to_whole_seconds(text):
    found = _canonical_micro(text)
    return None if found is None else found.partition(".")[0] + ".000000Z"


def _not_too_many(*left_out):
    def tolerations(pod, not_ready, unreachable):
        _add_tolerations(pod, not_ready, unreachable)
        kept = [one for one in pod["spec"]["tolerations"] if one.get("key") not in left_out or not _is_default(one)]
        pod["spec"]["tolerations"] = kept

    return tolerations


def _is_default(toleration):
    return toleration.get("tolerationSeconds") == 300


def _seconds_off(pod, not_ready, unreachable):
    _add_tolerations(pod, not_ready, unreachable + 30)


def _says_exactly(toleration, key):
    return toleration.get("key") == key and toleration.get("effect") == "NoExecute"


def _any_effect(toleration, key):
    return toleration.get("key", "") in {"", key}


def _only_exists(toleration, key):
    return _speaks_of(toleration, key) and toleration.get("operator") == "Exists"


def _always_added(_toleration, _key):
    return False


def _one_for_both(toleration, key):
    return any(
        _speaks_of(toleration, other) for other in (default_tolerations.NOT_READY, default_tolerations.UNREACHABLE)
    )


def _if_not_ready(node):
    conditions = (node.get("status") or {}).get("conditions") or []
    if not any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
        _add_taint(node)


def _with_another_effect(node):
    spec = node.setdefault("spec", {})
    spec["taints"] = [*(spec.get("taints") or []), {"key": nodetaint.NOT_READY, "effect": "NoExecute"}]


def _free_choice(ctx, pod):
    given = pod["spec"].pop("priority", None)
    _resolve(ctx, pod)
    if given is not None:
        pod["spec"]["priority"] = given


def _unresolved(ctx, pod):
    _resolve(ctx, pod)
    del pod["spec"]["priority"]


def _without_policy(ctx, pod):
    _resolve(ctx, pod)
    del pod["spec"]["preemptionPolicy"]


def _unknown_is_none(ctx, name):
    return _class_of(ctx, "")


def _without_init_containers(pod, *, pod_level=True):
    return _qos_class({"spec": {**pod["spec"], "initContainers": []}}, pod_level=pod_level)


def _cpu_is_enough(pod, *, pod_level=True):
    return "Guaranteed" if _qos_class(pod, pod_level=pod_level) != "BestEffort" and _limited(pod) else "Burstable"


def _limited(pod):
    return all("cpu" in ((one.get("resources") or {}).get("limits") or {}) for one in pod["spec"]["containers"])


def _storage_counts(pod, *, pod_level=True):
    found = _qos_class(pod, pod_level=pod_level)
    asked = any((one.get("resources") or {}).get("requests") for one in pod["spec"]["containers"])
    return "Burstable" if found == "BestEffort" and asked else found


def _keeps_its_status(self, _ctx, obj):
    obj["status"] = {**obj.get("status", {}), "qosClass": _qos_class(obj)}


def _keeps_its_conditions(pod):
    return {**_new_status(pod), "conditions": (pod.get("status") or {}).get("conditions", [])}


def _another_default(name, value):
    def set_defaults(spec):
        spec.setdefault(name, value)
        _spec_defaults(spec)

    return set_defaults


def _nothing_may_change(before, after):
    same = before == after
    return [] if same else [changes.causes.forbidden("spec.tolerations", changes.FIXED_TOLERATION)]


def _seconds_are_fixed(before, after):
    lost = any(one not in after for one in before)
    return [changes.causes.forbidden("spec.tolerations", changes.FIXED_TOLERATION)] if lost else []


def _as_many(before, after):
    few = len(after) < len(before)
    return [changes.causes.forbidden("spec.tolerations", changes.FIXED_TOLERATION)] if few else []


def _any_seconds(tolerations, path):
    plain = [{name: value for name, value in one.items() if name != "tolerationSeconds"} for one in tolerations]
    return _toleration_causes(plain, path)


def _everywhere(patches):
    """Several places that imported one function."""

    @contextmanager
    def patch():
        with ExitStack() as stack:
            for one in patches:
                stack.enter_context(one())
            yield

    return patch


def _as_qos(by):
    return _everywhere([replaced(module, "qos_class", by) for module in (podresources, pod_defaults)])


_registering = partial(replaced, Nodes, "prepare_for_create")
_amounts = partial(replaced, quantities, "amount_causes")
_tolerating = partial(replaced, default_tolerations, "add_tolerations")
_speaking = partial(replaced, default_tolerations, "speaks_of")
_selecting = partial(replaced, selection, "_selection")
_prioritizing = partial(replaced, priority, "resolve")
_tolerations = partial(replaced, changes, "added_toleration_causes")
_new_pods = partial(replaced, podspec_defaults, "set_spec_defaults")

FAULTS = [
    Fault("a node's status is dropped", ("M-API-01",), _registering(_drops_the_status), 79),
    Fault("a node's conditions are dropped", ("M-API-01",), _registering(_drops_the_conditions), 79),
    Fault("nodes write their status", ("M-API-02",), replaced(Nodes, "prepare_for_update", _nothing_changes)),
    Fault(
        "a node's status writes the spec", ("M-API-02",), replaced(Nodes, "prepare_for_status_update", _nothing_changes)
    ),
    Fault("pods write their status", ("M-API-02",), replaced(Pods, "prepare_for_update", _nothing_changes)),
    Fault(
        "a pod's status writes the spec",
        ("M-API-02",),
        replaced(Pods, "prepare_for_status_update", _pod_status_writes_spec),
    ),
    Fault("no default allocatable", ("M-API-03",), replaced(node_defaults, "default_allocatable", _nothing), 76),
    Fault(
        "allocatable is always capacity",
        ("M-API-03",),
        replaced(node_defaults, "default_allocatable", _always_the_capacity),
        76,
    ),
    Fault(
        "allocatable is completed",
        ("M-API-03",),
        replaced(node_defaults, "default_allocatable", _the_rest_is_capacity),
        76,
    ),
    Fault("stale writes are accepted", ("M-API-04",), replaced(update, "check_version", _nothing)),
    Fault("negative amounts are accepted", ("M-API-04",), _amounts(_any_sign), 80),
    Fault("fractions are accepted", ("M-API-04",), _amounts(_fractions), 80),
    Fault("any taints are accepted", ("M-API-04",), replaced(validation, "taint_causes", _no_causes), 80),
    Fault("any effect is accepted", ("M-API-04",), replaced(validation, "effect_causes", _no_causes), 80),
    Fault("pod ranges may change", ("M-API-04",), replaced(validation, "pod_cidr_change_causes", _no_causes), 80),
    Fault(
        "allocatable within capacity", ("M-API-04",), replaced(validation, "resource_causes", _never_more_than_capacity)
    ),
    Fault("devices may be overcommitted", ("M-API-04",), replaced(podspec_resources, "_pair_causes", _no_causes)),
    Fault(
        "strategic patches replace lists", ("M-API-05",), replaced(strategic, "_merge_items", _lists_are_replaced), 77
    ),
    Fault("merge patches merge lists", ("M-API-05",), replaced(merge, "_merged", _lists_are_merged)),
    Fault("nodeName does not select", ("M-API-06",), _selecting(_blind_to("spec.nodeName"))),
    Fault("phase does not select", ("M-API-06",), _selecting(_blind_to("status.phase"))),
    Fault("a name does not select", ("M-API-06",), _selecting(_blind_to("metadata.name"))),
    Fault("cordons do not select", ("M-API-06",), _selecting(_blind_to("spec.unschedulable"))),
    Fault("objects leave a selector in silence", ("M-API-06",), replaced(watch, "transition", _leaves_in_silence)),
    Fault("objects enter a selector as modified", ("M-API-06",), replaced(watch, "transition", _enters_as_modified)),
    Fault(
        "no namespace for Leases",
        ("M-API-07",),
        replaced(bootstrap, "SYSTEM_NAMESPACES", ("default", "kube-system", "kube-public")),
        81,
    ),
    Fault("micro-seconds are lost", ("M-API-07",), replaced(times, "canonical_micro", _to_whole_seconds), 81),
    Fault("PUT creates no Lease", ("M-API-07",), replaced(leases.Leases, "create_on_update", False), 81),
    Fault("Leases are written without version", ("M-API-07",), replaced(leases.Leases, "update_without_version", True)),
    Fault("Leases of no duration", ("M-API-07",), replaced(leases, "spec_causes", _no_causes)),
    Fault("no default tolerations", ("M-ADM-01",), _tolerating(_nothing), 46),
    Fault("wrong default seconds", ("M-ADM-01",), _tolerating(_seconds_off), 46),
    Fault(
        "only not-ready is tolerated", ("M-ADM-01",), _tolerating(_not_too_many(default_tolerations.UNREACHABLE)), 46
    ),
    Fault("own tolerations do not count", ("M-ADM-02",), _speaking(_always_added), 46),
    Fault("only exact tolerations count", ("M-ADM-02",), _speaking(_says_exactly), 46),
    Fault("NoSchedule tolerations count", ("M-ADM-02",), _speaking(_any_effect), 46),
    Fault("only Exists tolerations count", ("M-ADM-02",), _speaking(_only_exists), 46),
    Fault("one own toleration stands for both", ("M-ADM-02",), _speaking(_one_for_both), 46),
    Fault("new nodes without taint", ("M-ADM-03",), replaced(nodetaint, "add_not_ready_taint", _nothing)),
    Fault("no taint for who says ready", ("M-ADM-03",), replaced(nodetaint, "add_not_ready_taint", _if_not_ready)),
    Fault("new nodes get NoExecute", ("M-ADM-03",), replaced(nodetaint, "add_not_ready_taint", _with_another_effect)),
    Fault("no priority", ("M-ADM-04",), _prioritizing(_unresolved)),
    Fault("no preemption policy", ("M-ADM-04",), _prioritizing(_without_policy)),
    Fault("priorities are free", ("M-ADM-04",), _prioritizing(_free_choice)),
    Fault("unknown classes are none", ("M-ADM-04",), replaced(priority, "class_of", _unknown_is_none)),
    Fault("init containers have no quality", ("M-ADM-05",), _as_qos(_without_init_containers), 82),
    Fault("cpu alone makes quality", ("M-ADM-05",), _as_qos(_cpu_is_enough), 82),
    Fault("storage makes quality", ("M-ADM-05",), _as_qos(_storage_counts)),
    Fault("pods keep their status", ("M-ADM-06",), replaced(Pods, "prepare_for_create", _keeps_its_status), 83),
    Fault("pods keep their conditions", ("M-ADM-06",), replaced(pod_defaults, "new_status", _keeps_its_conditions), 83),
    Fault("another default grace", ("M-ADM-06",), _new_pods(_another_default("terminationGracePeriodSeconds", 10))),
    Fault("another default scheduler", ("M-ADM-06",), _new_pods(_another_default("schedulerName", "scheduler"))),
    Fault("another default restart policy", ("M-ADM-06",), _new_pods(_another_default("restartPolicy", "OnFailure"))),
    Fault("tolerations are fixed", ("M-ADM-07",), _tolerations(_nothing_may_change)),
    Fault("seconds are fixed", ("M-ADM-07",), _tolerations(_seconds_are_fixed)),
    Fault("tolerations may be exchanged", ("M-ADM-07",), _tolerations(_as_many)),
    Fault("tolerations may go", ("M-ADM-07",), _tolerations(_no_causes)),
    Fault("seconds with any effect", ("M-ADM-07",), replaced(scheduling, "toleration_causes", _any_seconds)),
]
