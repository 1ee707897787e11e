"""Faults in deletions of pods, and in how Jobs replace pods that go."""

from __future__ import annotations

from refimpl.api import meta
from refimpl.api.resources import PODS
from refimpl.apiserver.kinds.pods import Pods
from refimpl.apiserver.verbs import create as creating
from refimpl.apiserver.verbs import delete as deleting
from refimpl.clock import parse_time
from refimpl.controllers.job import census
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.controllers.pod_gc.controller import PodGCController
from tests.faults.harness import Fault, replaced, slip

_grace_period = Pods.grace_period
_mark_gracefully = deleting.mark_gracefully
_store_new = creating.store_new
_complete_metadata = creating.complete_metadata
_collect = PodGCController.collect
_look = NodeMonitor.look


# What else is removed


async def _overdue_pods_too(self):
    await _collect(self)
    for pod in list(self._pods.list()):
        stamp = pod["metadata"].get("deletionTimestamp")
        if stamp and parse_time(stamp) < self._clock.now():
            await self.fail_and_delete(pod, None)


async def _returning_nodes_lose_theirs(self):
    await _look(self)
    for node in list(self.nodes.list()):
        if meta.is_true(node, "Ready"):
            for pod in list(self.pods.by_index("spec.nodeName", meta.name(node))):
                if meta.is_terminating(pod):
                    await self.writer.client.delete(PODS, meta.name(pod), namespace=meta.namespace(pod), grace_period=0)


# Grace periods


def _stamped_with_now(call, obj, grace):
    metadata = obj["metadata"]
    metadata["deletionTimestamp"] = call.clock.timestamp()
    metadata["deletionGracePeriodSeconds"] = grace


def _what_is_asked_is_ignored(self, obj, _requested):
    return _grace_period(self, obj, None)


def _what_the_spec_says_is_ignored(self, obj, requested):
    return _grace_period(self, obj, 30 if requested is None else requested)


def _at_least_one_second(self, obj, requested):
    return max(_grace_period(self, obj, requested), 1)


def _unbound_pods_take_their_time(self, obj, requested):
    return _grace_period(self, {**obj, "spec": {**obj["spec"], "nodeName": "nowhere"}}, requested)


def _finished_pods_take_their_time(self, obj, requested):
    return _grace_period(self, {**obj, "status": {}}, requested)


def _every_request_counts(ctx, call, obj, requested):
    if "deletionTimestamp" not in obj["metadata"]:
        return _mark_gracefully(ctx, call, obj, requested)
    deleting._set_deadline(call, obj, call.strategy.grace_period(obj, requested))
    return True


def _plain_requests_start_anew(ctx, call, obj, requested):
    if "deletionTimestamp" in obj["metadata"] and requested is None:
        deleting._set_deadline(call, obj, call.strategy.grace_period(obj, None))
        return True
    return _mark_gracefully(ctx, call, obj, requested)


def _only_the_first_request_counts(ctx, call, obj, requested):
    terminating = "deletionTimestamp" in obj["metadata"]
    return not terminating and _mark_gracefully(ctx, call, obj, requested)


def _anybody_may(_call, _options, _obj):
    return None


def _no_finalizers(_call, _options, _present):
    return []


# Names


async def _in_the_place_of_the_old_one(call, obj, *, dry_run):
    entry = call.registry.entry(call.target.resource, obj["metadata"].get("name", ""), call.target.namespace)
    if entry is not None and "deletionTimestamp" in call.registry.decode(call.target.resource, entry.item)["metadata"]:
        await call.registry.remove(call.target.resource, entry)
    return await _store_new(call, obj, dry_run=dry_run)


def _one_uid_a_name(call, metadata):
    _complete_metadata(call, metadata)
    if call.target.resource is PODS:
        letters = metadata["name"].encode().hex()[-12:].rjust(12, "0")
        metadata["uid"] = f"00000000-0000-4000-8000-{letters}"


def _waiting(*, policy):
    return replaced(census, "replaces_only_failed", lambda job: policy)


def _grace(by):
    return replaced(Pods, "grace_period", by)


FAULTS = (
    Fault(
        "overdue pods are removed",
        ("M-TERM-01", "M-XF-06"),
        replaced(PodGCController, "collect", _overdue_pods_too),
        44,
    ),
    Fault(
        "a node that returns loses its terminating pods",
        ("M-TERM-05",),
        replaced(NodeMonitor, "look", _returning_nodes_lose_theirs),
    ),
    Fault("the deletion timestamp is now", ("M-TERM-02",), replaced(deleting, "_set_deadline", _stamped_with_now), 45),
    Fault(
        "the grace period of a request is ignored", ("M-TERM-02", "M-TERM-03"), _grace(_what_is_asked_is_ignored), 45
    ),
    Fault("the grace period of a spec is ignored", ("M-TERM-02",), _grace(_what_the_spec_says_is_ignored), 45),
    Fault("deletions are repeated", ("M-TERM-02",), replaced(deleting, "mark_gracefully", _every_request_counts)),
    Fault(
        "plain deletions start anew", ("M-TERM-02",), replaced(deleting, "mark_gracefully", _plain_requests_start_anew)
    ),
    Fault(
        "only the first deletion counts",
        ("M-TERM-02", "M-TERM-03"),
        replaced(deleting, "mark_gracefully", _only_the_first_request_counts),
    ),
    Fault(
        "preconditions of deletions are ignored",
        ("M-TERM-02",),
        replaced(deleting, "check_preconditions", _anybody_may),
    ),
    Fault("no deletion is immediate", ("M-TERM-03", "M-TERM-04"), _grace(_at_least_one_second), 88),
    Fault("finalizers do not hold", ("M-TERM-03",), replaced(deleting, "wanted_finalizers", _no_finalizers), 88),
    Fault("unbound pods linger", ("M-TERM-04",), _grace(_unbound_pods_take_their_time), 89),
    Fault("finished pods linger", ("M-TERM-04",), _grace(_finished_pods_take_their_time), 89),
    Fault(
        "the name of a terminating pod is free",
        ("M-TERM-06",),
        replaced(creating, "store_new", _in_the_place_of_the_old_one),
    ),
    Fault(
        "who has a prefix for names gets another name",
        ("M-TERM-06",),
        slip(creating, "store_new", ' and not metadata.get("name")', ""),
    ),
    Fault("a name has one uid", ("M-TERM-06",), replaced(creating, "complete_metadata", _one_uid_a_name)),
    Fault("jobs wait for the end of every pod", ("M-XF-07",), _waiting(policy=True)),
    Fault("jobs wait for no pod", ("M-XF-07",), _waiting(policy=False)),
)
