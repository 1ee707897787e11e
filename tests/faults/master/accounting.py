"""Faults in what the scheduler counts: requests, slots, devices; who counts, and until when."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from decimal import ROUND_CEILING, ROUND_FLOOR
from functools import partial

from refimpl.api import podresources
from refimpl.apiserver.kinds.podspec import defaults as podspec_defaults
from refimpl.apiserver.subresources import binding
from refimpl.scheduler import eventhandlers, failure, filters, nodeinfo, podinfo, recorder, scheduler
from tests.faults.harness import Fault, replaced

_set_node = nodeinfo.NodeInfo.set_node
_insufficient = filters.insufficient_resources
_counts = podinfo.counts_on_its_node
_unscheduled = failure.unscheduled_condition
_say = recorder.SchedulerEvents._say
_assigned = binding.assigned
_fit = filters.node_resources_fit
_sum = podresources._sum_of_containers
_effective = podresources._effective


def _amounts_by(cpu=lambda amount: amount * 1000, others=lambda amount: amount, rounding=ROUND_CEILING):
    def amounts_of(resources):
        return {
            name: int((cpu(amount) if name == "cpu" else others(amount)).to_integral_value(rounding))
            for name, amount in resources.items()
        }

    @contextmanager
    def both():
        with ExitStack() as stack:
            for module in (podinfo, nodeinfo):
                stack.enter_context(replaced(module, "amounts_of", amounts_of)())
            yield

    return both


def _whole_cores(amount):
    return amount.to_integral_value(ROUND_FLOOR) * 1000


def _whole_mebibytes(amount):
    return (amount / 2**20).to_integral_value(ROUND_FLOOR) if amount > 2**20 else amount


def _in_floats(pod, node):
    for name, wanted in pod.asks.requests.items():
        taken = sum((other.asks.requests.get(name, 0) / 1000 for other in node.pods.values()), 0.0)
        if wanted > 0 and wanted / 1000 + taken > node.allocatable.get(name, 0) / 1000:
            yield name


def strictly_less(pod, node):
    for name, wanted in pod.asks.requests.items():
        if wanted > 0 and wanted >= node.allocatable.get(name, 0) - node.requested.get(name, 0):
            yield name


def _never_lacking(*left_out):
    def insufficient(pod, node):
        return (name for name in _insufficient(pod, node) if name not in left_out)

    return insufficient


def _only_by_itself(pod, node):
    return (name for name, wanted in pod.asks.requests.items() if wanted > node.allocatable.get(name, 0))


def _capacity(self, node):
    status = node.get("status") or {}
    _set_node(self, {**node, "status": {**status, "allocatable": status.get("capacity")}})


def _lesser_of_both(self, node):
    _set_node(self, node)
    capacity = podinfo.amounts_of(podresources.parse((node.get("status") or {}).get("capacity")))
    self.allocatable = {n: min(amount, capacity.get(n, amount)) for n, amount in self.allocatable.items()}


def _limits(pod, *, pod_level=True, missing=None, resized=False):
    return podresources._effective(pod, "limits", pod_level=pod_level, missing=missing or {}, reports={})


def _no_default_requests(_resources):
    return None


def _init_containers_too(spec, amounts):
    total = {}
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        podresources.add(total, amounts(container))
    return total


def _init_containers_forgotten(spec, amounts):
    return _sum({**spec, "initContainers": []}, amounts)


def _init_containers_summed(spec, amounts):
    total = _sum({**spec, "initContainers": []}, amounts)
    inits = _sum({"containers": spec.get("initContainers")}, amounts)
    podresources.raise_to(total, inits)
    return total


def _dominant(spec, amounts):
    total = _sum({**spec, "initContainers": []}, amounts)
    inits = [amounts(container) for container in spec.get("initContainers") or ()]
    return max([total, *inits], key=lambda vector: sum(vector.values()))


def _first_only(spec, amounts):
    return _sum({**spec, "containers": spec["containers"][:1]}, amounts)


def _sidecars_as_init_containers(spec, amounts):
    inits = [{**one, "restartPolicy": None} for one in spec.get("initContainers") or ()]
    return _sum({**spec, "initContainers": inits}, amounts)


def _sidecars_beside_containers_only(spec, amounts):
    sidecars = [one for one in spec.get("initContainers") or () if podresources.is_sidecar(one)]
    others = [one for one in spec.get("initContainers") or () if not podresources.is_sidecar(one)]
    return _sum({"containers": [*spec["containers"], *sidecars], "initContainers": others}, amounts)


def _without(*fields):
    def effective(pod, which, **more):
        spec = {name: value for name, value in pod["spec"].items() if name not in fields}
        return _effective({**pod, "spec": spec}, which, **more)

    return effective


def _overhead_before_the_max(pod, which, **more):
    spec = pod["spec"]
    if not spec.get("overhead"):
        return _effective(pod, which, **more)
    beside = {"resources": {"requests": spec["overhead"]}}
    spec = {**spec, "containers": [*spec["containers"], beside], "overhead": {}}
    return _effective({**pod, "spec": spec}, which, **more)


def _always_a_slot(_node):
    return True


def _one_slot_more(node):
    return len(node.pods) <= node.slots


def _no_word_no_limit(self, node):
    _set_node(self, node)
    if "pods" not in ((node.get("status") or {}).get("allocatable") or {}):
        self.slots = 1 << 30


def _undeclared_is_unlimited(pod, node):
    return (name for name in _insufficient(pod, node) if name in node.allocatable)


def _full_is_full(pod, node):
    if not any(pod.asks.requests.values()) and any(
        node.requested.get(name, 0) >= node.allocatable.get(name, 0) for name in ("cpu", "memory")
    ):
        return filters.Rejection("NodeResourcesFit", ("node(s) were full",))
    return _fit(pod, node)


def counting(condition):
    def counts(pod):
        return _counts(pod) and condition(pod)

    @contextmanager
    def patch():
        with ExitStack() as stack:
            for module in (podinfo, eventhandlers):
                stack.enter_context(replaced(module, "counts_on_its_node", counts)())
            yield

    return patch


def _never_ends(_pod):
    return False


def _is_running(pod):
    return (pod.get("status") or {}).get("phase") == "Running"


def _of_the_run(pod):
    return "elsewhere" not in pod["metadata"]["namespace"]


def stays(pod):
    return "deletionTimestamp" not in pod["metadata"]


def _only_what_was_bound_here(pod):
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "PodScheduled" and c["status"] == "True" for c in conditions)


async def _says_nothing(_client, _clock, _pod, **_why):
    return None


def _another_reason(reason, message):
    return {**_unscheduled("NoRoom", message)}


def _another_text(reason, _message):
    return _unscheduled(reason, "there is no room")


def _no_events(self, *_said):
    return None


def _as_another_type(self, pod, _kind, *said):
    _say(self, pod, "Warning" if said[0] == "Scheduled" else "Normal", *said)


def _without_condition(call, pod, body):
    done = _assigned(call, pod, body)
    conditions = [c for c in done["status"]["conditions"] if c["type"] != "PodScheduled"]
    return {**done, "status": {**done["status"], "conditions": conditions}}


_summing = partial(replaced, podresources, "_sum_of_containers")
_totalling = partial(replaced, podresources, "_effective")
_defaulting = partial(replaced, podspec_defaults, "default_requests")
_reading_nodes = partial(replaced, nodeinfo.NodeInfo, "set_node")
_lacking = partial(replaced, filters, "insufficient_resources")
_telling = partial(replaced, failure, "unscheduled_condition")
_announcing = partial(replaced, recorder.SchedulerEvents, "_say")


FAULTS = [
    Fault("cpu in whole cores", ("M-SCHED-05",), _amounts_by(cpu=_whole_cores), 58),
    Fault("memory in whole mebibytes", ("M-SCHED-05",), _amounts_by(others=_whole_mebibytes), 58),
    Fault("sums in floats", ("M-SCHED-05",), _lacking(_in_floats), 58),
    Fault("no exact fit", ("M-SCHED-05", "M-SCHED-12"), _lacking(strictly_less)),
    Fault(
        "storage is not counted",
        ("M-SCHED-05",),
        _lacking(_never_lacking("ephemeral-storage")),
    ),
    Fault("memory is not counted", ("M-SCHED-05",), _lacking(_never_lacking("memory"))),
    Fault(
        "other pods are not counted",
        ("M-SCHED-05", "M-SCHED-12", "M-SCHED-15", "M-SCHED-16"),
        _lacking(_only_by_itself),
    ),
    Fault("capacity in place of allocatable", ("M-SCHED-06",), _reading_nodes(_capacity)),
    Fault("never more than capacity", ("M-SCHED-06",), _reading_nodes(_lesser_of_both)),
    Fault("limits are summed", ("M-SCHED-07",), replaced(podresources, "pod_requests", _limits)),
    Fault(
        "a limit is no request",
        ("M-SCHED-07",),
        _defaulting(_no_default_requests),
        62,
    ),
    Fault("init containers are added", ("M-SCHED-08",), _summing(_init_containers_too), 59),
    Fault("init containers are forgotten", ("M-SCHED-08",), _summing(_init_containers_forgotten)),
    Fault("init containers are added to each other", ("M-SCHED-08",), _summing(_init_containers_summed)),
    Fault("one container dominates", ("M-SCHED-08",), _summing(_dominant), 60),
    Fault("only the first container", ("M-SCHED-08",), _summing(_first_only), 61),
    Fault("overhead is ignored", ("M-SCHED-08",), _totalling(_without("overhead")), 63),
    Fault(
        "overhead before the maximum",
        ("M-SCHED-08",),
        _totalling(_overhead_before_the_max),
        63,
    ),
    Fault("sidecars are init containers", ("M-SCHED-09",), _summing(_sidecars_as_init_containers)),
    Fault("sidecars are containers only", ("M-SCHED-09",), _summing(_sidecars_beside_containers_only)),
    Fault("the pod as a whole is ignored", ("M-SCHED-10",), _totalling(_without("resources"))),
    Fault("slots are ignored", ("M-SCHED-11",), replaced(filters, "has_free_slot", _always_a_slot), 64),
    Fault("one slot too many", ("M-SCHED-11",), replaced(filters, "has_free_slot", _one_slot_more), 64),
    Fault("no word on slots is no limit", ("M-SCHED-11",), _reading_nodes(_no_word_no_limit), 64),
    Fault(
        "an undeclared device is unlimited",
        ("M-SCHED-12",),
        _lacking(_undeclared_is_unlimited),
        65,
    ),
    Fault("empty pods need room", ("M-SCHED-13",), replaced(filters, "node_resources_fit", _full_is_full), 66),
    Fault("finished pods count", ("M-SCHED-14",), replaced(podinfo, "is_terminal", _never_ends), 54),
    Fault("terminating pods do not count", ("M-SCHED-15",), counting(stays), 55),
    Fault("only one namespace counts", ("M-SCHED-16",), counting(_of_the_run), 56),
    Fault("only running pods count", ("M-SCHED-05", "M-SCHED-16"), counting(_is_running), 57),
    Fault("pods that name their node do not count", ("M-SCHED-16",), counting(_only_what_was_bound_here)),
    Fault("no PodScheduled=False", ("M-SCHED-20",), replaced(scheduler, "say_unscheduled", _says_nothing), 73),
    Fault("another reason", ("M-SCHED-20",), _telling(_another_reason), 73),
    Fault(
        "another text",
        ("M-SCHED-20",),
        _telling(_another_text),
        warns=("M-SCHED-20",),
    ),
    Fault("no events", ("M-SCHED-20",), _announcing(_no_events), 73, warns=("M-SCHED-20",)),
    Fault(
        "events of the other type",
        ("M-SCHED-20",),
        _announcing(_as_another_type),
        warns=("M-SCHED-20",),
    ),
    Fault("a binding without its condition", ("M-SCHED-20",), replaced(binding, "assigned", _without_condition)),
]
