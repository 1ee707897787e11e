"""Faults in when and how pods are evicted, and which."""

from __future__ import annotations

from refimpl.api import meta
from refimpl.api.errors import ApiError
from refimpl.api.resources import PODS
from refimpl.api.taints import tolerations_of
from refimpl.client.informer import key_of
from refimpl.client.transport import Unreachable
from refimpl.clock import parse_time
from refimpl.controllers.node_index import node_name_of, pods_on
from refimpl.controllers.taint_eviction import controller, decisions
from refimpl.controllers.taint_eviction.controller import TaintEvictionController
from refimpl.controllers.taint_eviction.decisions import Stay
from tests.faults.harness import Fault, replaced, together

_judge = decisions.judge
_no_execute_taints = decisions.no_execute_taints
_disruption_target = controller.disruption_target
_weigh = TaintEvictionController._weigh
_record = TaintEvictionController._record
_taints_changed = TaintEvictionController._taints_changed
_pod_changed = TaintEvictionController._pod_changed
_evict = TaintEvictionController._evict


# From when the time counts, and what moves it


def _time_starts_anew(self, pod, taints):
    if _judge(taints, tolerations_of(pod)).stay is Stay.FOR_A_TIME:
        self.timers.cancel(key_of(pod))
    _weigh(self, pod, taints)


def _every_node_update_counts(self, old, new):
    if self._group is not None and new is not None:
        self._taints_changed(meta.name(new), _no_execute_taints(new))


def _shorter_times_win(self, pod, taints):
    verdict = _judge(taints, tolerations_of(pod))
    timer = self.timers._timers.get(key_of(pod))
    if verdict.stay is Stay.FOR_A_TIME and timer is not None:
        left = timer.when() - self._clock.monotonic()
        if verdict.seconds < left:
            self.timers.cancel(key_of(pod))
    _weigh(self, pod, taints)


def _longer_times_win(self, pod, taints):
    verdict = _judge(taints, tolerations_of(pod))
    timer = self.timers._timers.get(key_of(pod))
    if verdict.stay is Stay.FOR_A_TIME and timer is not None:
        left = timer.when() - self._clock.monotonic()
        if verdict.seconds > left:
            self.timers.cancel(key_of(pod))
    _weigh(self, pod, taints)


def _from(since):
    """The time counts from another moment: `since(self, pod, taints)`."""

    def weigh(self, pod, taints):
        verdict = _judge(taints, tolerations_of(pod))
        if verdict.stay is not Stay.FOR_A_TIME:
            return _weigh(self, pod, taints)
        passed = (self._clock.now() - since(self, pod, taints)).total_seconds()
        if not self.timers.is_running(key_of(pod)):
            self.timers.start(key_of(pod), max(verdict.seconds - passed, 0))
        return None

    return weigh


def _time_added(self, _pod, taints):
    stamps = [parse_time(taint["timeAdded"]) for taint in taints if taint.get("timeAdded")]
    return min(stamps) if stamps else self._clock.now()


def _creation(_self, pod, _taints):
    return parse_time(pod["metadata"]["creationTimestamp"])


def _sight_of_the_taint(self, node, taints):
    marks = self.__dict__.setdefault("first_seen", {})
    if taints:
        marks.setdefault(node, self._clock.now())
    else:
        marks.pop(node, None)
    _taints_changed(self, node, taints)


def _first_sight(self, pod, _taints):
    return self.__dict__.get("first_seen", {}).get(node_name_of(pod), self._clock.now())


_from_the_taint = together(
    replaced(TaintEvictionController, "_taints_changed", _sight_of_the_taint),
    replaced(TaintEvictionController, "_weigh", _from(_first_sight)),
)


def _nothing_is_cancelled(self, node, taints):
    if taints:
        _taints_changed(self, node, taints)
    else:
        self._tainted.pop(node, None)


def _the_rest_does_not_cancel(self, pod, taints):
    if _judge(taints, tolerations_of(pod)).stay is not Stay.FOREVER:
        _weigh(self, pod, taints)


def _running_times_are_not_cut_short(self, pod, taints):
    if not self.timers.is_running(key_of(pod)):
        _weigh(self, pod, taints)


def _late_pods_are_overlooked(self, old, new):
    if old is not None and new is not None and node_name_of(old):
        _pod_changed(self, old, new)


def _bound_pods_are_overlooked(self, old, new):
    if old is None or new is None or node_name_of(old) == node_name_of(new):
        _pod_changed(self, old, new)


def _only_the_node_counts(old, new):
    return node_name_of(old) != node_name_of(new)


_every_pod_update_starts_anew = together(
    replaced(controller, "concerns_eviction", lambda old, new: True),
    replaced(TaintEvictionController, "_weigh", _time_starts_anew),
)


_every_node_update_starts_anew = together(
    replaced(TaintEvictionController, "_node_changed", _every_node_update_counts),
    replaced(TaintEvictionController, "_weigh", _time_starts_anew),
)


# Whom it may concern


def _only(pods):
    def weigh(self, pod, taints):
        if pods(self, pod):
            _weigh(self, pod, taints)

    return weigh


def _is_owned(_self, pod):
    return meta.controller_of(pod) is not None


def _is_at_home(_self, pod):
    return not meta.namespace(pod).endswith("elsewhere")


def _is_unfinished(_self, pod):
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _is_on_a_ready_node(self, pod):
    node = self._nodes.get(node_name_of(pod))
    return node is not None and meta.is_true(node, "Ready")


def _one_a_time(self, key):
    """One eviction in ten seconds, whoever wrote the taint."""
    now = self._clock.monotonic()
    turn = max(self.__dict__.get("turn", now), now)
    self.__dict__["turn"] = turn + 10

    async def later():
        await self._clock.sleep(turn - now)
        await _evict(self, key)

    self._group.create_task(later())


# How a pod is deleted


async def _asking_the_budgets(self, namespace, name):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    await self._client.create(PODS, body, namespace=namespace, name=name, subresource="eviction")


def _deleting(**options):
    async def delete(self, namespace, name):
        await self._client.delete(PODS, name, namespace=namespace, **options)

    return delete


async def _only_once(self, key):
    """Deletes without a word to anybody."""
    try:
        await self.mark_and_delete(*key)
    except (ApiError, Unreachable):
        self.timers.cancel(key)


def _silent_cancel(self, key):
    self.timers.cancel(key)


def _other_words(self, key, message):
    _record(self, key, message.replace("Marking", "Marked").replace("Cancelling", "Cancelled"))


def _other_reason(pod, _reason, message, stamp):
    return _disruption_target(pod, "EvictionByEvictionAPI", message, stamp)


def _other_message(pod, reason, _message, stamp):
    return _disruption_target(pod, reason, "evicted", stamp)


def _no_condition(_pod, _reason, _message, _stamp):
    return None


def _evicted_again(self, node, taints):
    """Recovery comes too late for pods whose time runs."""
    if not taints:
        for pod in pods_on(self._pods, node):
            if self.timers.is_running(key_of(pod)):
                self.timers.cancel(key_of(pod))
                self.timers.start(key_of(pod), 0)
    _taints_changed(self, node, taints)


def _evictor(method, by):
    return replaced(TaintEvictionController, method, by)


FAULTS = (
    Fault("removal of the taint does not cancel", ("M-EV-06",), _evictor("_taints_changed", _nothing_is_cancelled), 38),
    Fault("removal of the taint evicts", ("M-EV-06", "M-EV-15"), _evictor("_taints_changed", _evicted_again)),
    Fault(
        "a rest that is tolerated for ever does not cancel",
        ("M-EV-06", "M-EV-12"),
        _evictor("_weigh", _the_rest_does_not_cancel),
        warns=("M-EV-06",),
    ),
    Fault("a second taint starts the time anew", ("M-EV-07",), _evictor("_weigh", _time_starts_anew), 39),
    Fault("every node update starts the time anew", ("M-EV-15",), _every_node_update_starts_anew, 39),
    Fault("every pod update starts the time anew", ("M-EV-12",), _every_pod_update_starts_anew, 39),
    Fault("a shorter time takes over", ("M-EV-07",), _evictor("_weigh", _shorter_times_win)),
    Fault("a longer time takes over", ("M-EV-07",), _evictor("_weigh", _longer_times_win)),
    Fault("the time counts from timeAdded", ("M-EV-08",), _evictor("_weigh", _from(_time_added)), 40),
    Fault("the time counts from the pod's creation", ("M-EV-09", "M-EV-15"), _evictor("_weigh", _from(_creation)), 40),
    Fault("the time of a late pod counts from the taint", ("M-EV-09",), _from_the_taint, 40),
    Fault(
        "a taint that is not tolerated waits for the running time",
        ("M-EV-01",),
        _evictor("_weigh", _running_times_are_not_cut_short),
    ),
    Fault(
        "pods made after the taint are overlooked",
        ("M-EV-09",),
        _evictor("_pod_changed", _late_pods_are_overlooked),
        41,
    ),
    Fault(
        "pods bound after the taint are overlooked",
        ("M-EV-09",),
        _evictor("_pod_changed", _bound_pods_are_overlooked),
        41,
    ),
    Fault("only pods with an owner are evicted", ("M-EV-01", "M-EV-11"), _evictor("_weigh", _only(_is_owned)), 42),
    Fault("only one namespace is served", ("M-EV-11",), _evictor("_weigh", _only(_is_at_home)), 42),
    Fault("pods of nodes that are not ready are spared", ("M-EV-11",), _evictor("_weigh", _only(_is_on_a_ready_node))),
    Fault("users' taints are rate limited", ("M-EV-11",), _evictor("_time_is_up", _one_a_time), 48),
    Fault("disruption budgets are asked", ("M-EV-11",), _evictor("mark_and_delete", _asking_the_budgets)),
    Fault(
        "tolerations that change are not weighed anew",
        ("M-EV-12",),
        replaced(controller, "concerns_eviction", _only_the_node_counts),
    ),
    Fault("evictions are not told", ("M-EV-13",), _evictor("_evict", _only_once)),
    Fault("cancelled evictions are not told", ("M-EV-13",), _evictor("_cancel", _silent_cancel)),
    Fault("evictions are told in other words", ("M-EV-13",), _evictor("_record", _other_words)),
    Fault("the pod does not say why it goes", ("M-EV-14",), replaced(controller, "disruption_target", _no_condition)),
    Fault("the pod gives another reason", ("M-EV-14",), replaced(controller, "disruption_target", _other_reason)),
    Fault(
        "the pod says it in other words",
        ("M-EV-14",),
        replaced(controller, "disruption_target", _other_message),
        warns=("M-EV-14",),
    ),
    Fault("finished pods stay", ("M-EV-17",), _evictor("_weigh", _only(_is_unfinished))),
    Fault("evicted pods have no grace", ("M-EV-01", "M-EV-17"), _evictor("mark_and_delete", _deleting(grace_period=0))),
    Fault("evicted pods have a short grace", ("M-EV-01",), _evictor("mark_and_delete", _deleting(grace_period=1))),
)
