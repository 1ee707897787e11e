"""NoExecute taints: which pods they drive away, at once or in time."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.eviction import GRACE, MATCHING, eviction_timers, user_taints
from conformance.judge import conditions, events, evictions, pods
from conformance.judge.seen import Seen
from conformance.judge.windows import Start
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

TOLERATING = ("exists", "equal", "default-operator", "any-effect", "any-key", "any-key-no-execute")
TAINT = "the NoExecute taint"


def _tainted(seen: Seen) -> Start:
    return evictions.request(seen, "table tainted", TAINT)


@judges("M-EV-01", reads=user_taints)
def test_a_pod_that_does_not_tolerate_the_taint_goes_at_once(seen: Seen) -> Iterator[Violation]:
    taint = _tainted(seen)
    evictions.require(seen, ["plain"], taint.sent)
    yield from evictions.due(seen, "plain", taint, 0, "table")
    story = seen.pod("plain").since(taint.sent)
    deletion = pods.deletion(story)
    left = None if deletion is None else story.state_at(deletion.at)
    grace = (left or {}).get("metadata", {}).get("deletionGracePeriodSeconds")
    if deletion is not None and grace != GRACE:
        got = "it vanished at once" if left is None else f"a grace period of {grace} s"
        want = f"a graceful deletion with the pod's own {GRACE} s"
        yield Violation(want=want, got=got, at=deletion.at, about=story.name)


@judges("M-EV-01", reads=eviction_timers)
def test_a_second_taint_that_is_not_tolerated_ends_a_running_time(seen: Seen) -> Iterator[Violation]:
    more = evictions.request(seen, "fixed tainted more", "the second taint")
    evictions.require(seen, ["surprised"], more.sent)
    yield from evictions.due(seen, "surprised", more, 0, "fixed")


@judges("M-EV-01", reads=eviction_timers)
def test_every_taint_needs_a_toleration(seen: Seen) -> Iterator[Violation]:
    taint = evictions.request(seen, "several tainted", "three taints of which it tolerates not all")
    roles = ("one-tolerated", "two-tolerated")
    evictions.require(seen, roles, taint.sent)
    for role in roles:
        yield from evictions.due(seen, role, taint, 0, "several")


@judges("M-EV-01", reads=eviction_timers)
def test_another_taint_in_the_place_of_a_tolerated_one_is_weighed_anew(seen: Seen) -> Iterator[Violation]:
    for role, node, change, what in (
        ("exchanged", "swapped-node", "swapped-node swapped", "the exchange of one taint for another in one write"),
        ("colourless", "halved", "halved coloured", "the new value of the taint"),
    ):
        moment = evictions.request(seen, change, what)
        evictions.require(seen, [role], moment.sent)
        yield from evictions.due(seen, role, moment, 0, node)


@judges("M-EV-02", reads=user_taints)
def test_a_pod_that_tolerates_the_taint_without_limit_stays(seen: Seen) -> Iterator[Violation]:
    taint = _tainted(seen)
    evictions.require(seen, ["exists"], taint.sent)
    yield from evictions.spared(
        seen, "exists", taint.sent, seen.history.until, "it tolerates the taint for ever", "table"
    )


@judges("M-EV-02", reads=eviction_timers)
def test_a_pod_that_tolerates_all_taints_without_limit_stays(seen: Seen) -> Iterator[Violation]:
    taint = evictions.request(seen, "several tainted", "three taints")
    evictions.require(seen, ["all-tolerated"], taint.sent)
    why = "it tolerates all three taints for ever"
    yield from evictions.spared(seen, "all-tolerated", taint.sent, seen.history.until, why, "several")


@judges("M-EV-03", reads=user_taints)
def test_a_pod_goes_when_its_toleration_ends(seen: Seen) -> Iterator[Violation]:
    taint = _tainted(seen)
    evictions.require(seen, ["timed"], taint.sent)
    yield from evictions.due(seen, "timed", taint, 2 * seen.timing.step, "table")


@judges("M-EV-03", reads=user_taints)
def test_a_toleration_of_no_time_is_none(seen: Seen) -> Iterator[Violation]:
    taint = _tainted(seen)
    evictions.require(seen, ["zero", "negative"], taint.sent)
    yield from evictions.due(seen, "zero", taint, 0, "table")
    yield from evictions.due(seen, "negative", taint, -1, "table")


@judges("M-EV-04", reads=eviction_timers)
def test_of_several_tolerations_the_shortest_counts(seen: Seen) -> Iterator[Violation]:
    taint = evictions.request(seen, "several tainted", "three taints that it tolerates for different times")
    roles = ("middle-shortest", "last-shortest")
    evictions.require(seen, roles, taint.sent)
    for role in roles:
        yield from evictions.due(seen, role, taint, seen.timing.step, "several")


@judges("M-EV-05", reads=user_taints)
def test_tolerations_match_by_key_value_and_effect(seen: Seen) -> Iterator[Violation]:
    taint = _tainted(seen)
    evictions.require(seen, MATCHING, taint.sent)
    for role in MATCHING:
        if role in TOLERATING:
            yield from evictions.spared(seen, role, taint.sent, seen.history.until, "its toleration matches", "table")
        else:
            yield from evictions.due(seen, role, taint, 0, "table")


@judges("M-EV-05", reads=user_taints)
def test_the_first_matching_toleration_is_used(seen: Seen) -> Iterator[Violation]:
    taint = _tainted(seen)
    evictions.require(seen, ["first-limited", "first-forever"], taint.sent)
    why = "the first toleration that matches has no limit"
    found = [
        *evictions.due(seen, "first-limited", taint, seen.timing.step, "table"),
        *evictions.spared(seen, "first-forever", taint.sent, seen.history.until, why, "table"),
    ]
    for violation in found:
        violation.level = "SHOULD"
        yield violation


@judges("M-EV-05", reads=eviction_timers)
def test_a_taint_without_value_is_not_tolerated_with_one(seen: Seen) -> Iterator[Violation]:
    taint = evictions.request(seen, "lifted tainted", TAINT)
    evictions.require(seen, ["coloured"], taint.sent)
    yield from evictions.due(seen, "coloured", taint, 0, "lifted")


@judges("M-EV-06", reads=eviction_timers)
def test_a_taint_that_goes_saves_the_pod(seen: Seen) -> Iterator[Violation]:
    lifted = seen.mark("lifted untainted answered").at
    again = evictions.request(seen, "lifted tainted again", "the second taint, which starts the time anew")
    evictions.require(seen, ["reprieved"], lifted)
    why = "its node's taint went before its time was over"
    yield from evictions.spared(seen, "reprieved", lifted, again.sent, why, "lifted")
    if not pods.terminating(seen.pod("reprieved").state_at(again.sent)):
        yield from evictions.due(seen, "reprieved", again, 2 * seen.timing.step, "lifted")


@judges("M-EV-06", reads=eviction_timers)
def test_a_pod_that_tolerates_the_rest_for_ever_is_saved(seen: Seen) -> Iterator[Violation]:
    relieved = seen.mark("halved relieved answered").at
    evictions.require(seen, ["released"], relieved)
    why = "the taint that is left is tolerated for ever"
    for violation in evictions.spared(seen, "released", relieved, seen.history.until, why, "halved"):
        violation.level = "SHOULD"
        yield violation


@judges("M-EV-07", reads=eviction_timers)
def test_a_time_that_runs_is_not_changed(seen: Seen) -> Iterator[Violation]:
    taint = evictions.request(seen, "fixed tainted", "the taint, whatever was changed since")
    seen.mark("fixed tainted more answered")
    roles = ("shortened", "lengthened", "crowded")
    evictions.require(seen, roles, seen.mark("shortened retolerated sent").at)
    for role in roles:
        yield from evictions.due(seen, role, taint, 3 * seen.timing.step, "fixed")


@judges("M-EV-07", reads=eviction_timers)
def test_a_taint_that_takes_the_place_of_another_does_not_start_the_time_anew(seen: Seen) -> Iterator[Violation]:
    for place, change, role, steps in (
        ("swapped-node", "swapped", "swapped", 3),
        ("relieved-node", "relieved", "relieved", 2),
    ):
        taint = evictions.request(seen, f"{place} tainted", f"the first taint, although it was {change} since")
        evictions.require(seen, [role], seen.mark(f"{place} {change} sent").at)
        yield from evictions.due(seen, role, taint, steps * seen.timing.step, place)


@judges("M-EV-08", reads=eviction_timers)
def test_the_time_counts_from_the_sight_of_the_taint(seen: Seen) -> Iterator[Violation]:
    taint = evictions.request(seen, "stamped tainted", "the taint, whatever its timeAdded says")
    roles = ("backdated", "postdated")
    evictions.require(seen, roles, taint.sent)
    for role in roles:
        yield from evictions.due(seen, role, taint, 2 * seen.timing.step, "stamped")


@judges("M-EV-09", reads=eviction_timers)
def test_a_pod_that_comes_to_a_tainted_node(seen: Seen) -> Iterator[Violation]:
    for role, how, seconds in (
        ("intruder", "created", 0),
        ("newcomer", "created", seen.timing.step),
        ("late-bound", "bound", seen.timing.step),
    ):
        bound = evictions.request(seen, f"{role} {how}", f"it was {how}, long after the taint")
        if not seen.pod(role).events:
            raise NotExercised(f"pod {role} was never seen", about=seen.name(role))
        yield from evictions.due(seen, role, bound, seconds, "marked")


@judges("M-EV-09", reads=eviction_timers)
def test_another_pod_of_the_name_goes_as_the_first_one_went(seen: Seen) -> Iterator[Violation]:
    created = evictions.request(seen, "intruder created again", "another pod of its name was created")
    yield from evictions.due(seen, "intruder", created, 0, "marked")


@judges("M-EV-10", reads=user_taints)
def test_only_no_execute_evicts(seen: Seen) -> Iterator[Violation]:
    tainted, cordoned = seen.mark("soft tainted sent").at, seen.mark("soft cordoned answered").at
    evictions.require(seen, ["unmoved"], tainted)
    if seen.history.until - cordoned < seen.timing.eviction(0).latest:
        raise NotExercised("the scenario ended before the pod could have been evicted", about=seen.name("soft"))
    why = "its node is only cordoned and tainted with NoSchedule and PreferNoSchedule"
    yield from evictions.spared(seen, "unmoved", tainted, seen.history.until, why, "soft")


@judges("M-EV-12", reads=eviction_timers)
def test_a_toleration_made_endless_saves_the_pod(seen: Seen) -> Iterator[Violation]:
    pardoned = seen.mark("pardoned retolerated answered").at
    evictions.require(seen, ["pardoned"], pardoned)
    why = "it tolerates the taint for ever now"
    yield from evictions.spared(seen, "pardoned", pardoned, seen.history.until, why, "stamped")


@judges("M-EV-12", reads=eviction_timers)
def test_other_changes_of_a_pod_do_not_matter(seen: Seen) -> Iterator[Violation]:
    taint = evictions.request(seen, "fixed tainted", "the taint, although its labels were changed since")
    evictions.require(seen, ["relabelled"], seen.mark("relabelled relabelled sent").at)
    yield from evictions.due(seen, "relabelled", taint, 3 * seen.timing.step, "fixed")


@judges("M-EV-13", reads=user_taints)
def test_the_eviction_is_told(seen: Seen) -> None:
    taint = _tainted(seen)
    if pods.deletion(seen.pod("plain").since(taint.sent)) is None:
        raise NotExercised("the pod was not evicted", about=seen.name("plain"))
    _told(seen, "plain", "Marking for deletion Pod")


@judges("M-EV-13", reads=eviction_timers)
def test_the_end_of_an_eviction_is_told(seen: Seen) -> None:
    lifted = seen.mark("lifted untainted answered").at
    evictions.require(seen, ["reprieved"], lifted)
    _told(seen, "reprieved", "Cancelling deletion of Pod")


@judges("M-EV-13", reads=eviction_timers)
def test_the_end_of_an_eviction_that_is_now_tolerated_is_told(seen: Seen) -> None:
    pardoned = seen.mark("pardoned retolerated answered").at
    evictions.require(seen, ["pardoned"], pardoned)
    _told(seen, "pardoned", "Cancelling deletion of Pod")


def _told(seen: Seen, role: str, beginning: str) -> None:
    """A Normal Event TaintManagerEviction about the pod, with the text that people look for."""
    text = f"{beginning} {seen.naming.namespace}/{seen.name(role)}"
    said = [event for event in events.said(seen, role, "TaintManagerEviction") if event.message == text]
    want = f"a Normal Event TaintManagerEviction: {text}"
    if not said:
        others = [event.message for event in events.said(seen, role)]
        raise Violation(want=want, got="; ".join(others) or "no Event about the pod", about=seen.name(role))
    components = ("taint-controller", "taint-eviction-controller")
    for event in said:
        if event.namespace != seen.naming.namespace:
            got = f"an Event in {event.namespace}"
            raise Violation(want="the Event in the pod's namespace", got=got, at=event.at, about=seen.name(role))
        if event.type != "Normal" or event.component not in components:
            got = f"a {event.type} Event of {event.component!r}"
            raise Violation(want=f"{want}, of {' or '.join(components)}", got=got, at=event.at, about=seen.name(role))


@judges("M-EV-14", reads=user_taints)
def test_the_pod_says_why_it_goes(seen: Seen) -> None:
    taint = _tainted(seen)
    story = seen.pod("plain").since(taint.sent)
    deletion = pods.deletion(story)
    if deletion is None:
        raise NotExercised("the pod was not evicted", about=(story.name, seen.name("table")))
    state = story.state_at(deletion.at) or story.events[-1].before
    found = conditions.condition(state, "DisruptionTarget") or {}
    wanted = ("True", "DeletionByTaintManager")
    if (found.get("status"), found.get("reason")) != wanted:
        want = "condition DisruptionTarget=True, reason DeletionByTaintManager, when the deletion is requested"
        got = f"DisruptionTarget={found.get('status', 'absent')}, reason {found.get('reason', 'none')}"
        raise Violation(want=want, got=got, at=deletion.at, about=story.name)
    text = "Taint manager: deleting due to NoExecute taint"
    if found.get("message") != text:
        got = f"message {found.get('message')!r}"
        raise Violation(want=f"message {text!r}", got=got, at=deletion.at, about=story.name, level="SHOULD")


@judges("M-EV-17", reads=user_taints)
def test_finished_pods_are_deleted_too(seen: Seen) -> Iterator[Violation]:
    taint = _tainted(seen)
    roles = ("finished", "broken")
    evictions.require(seen, roles, taint.sent)
    for role in roles:
        if not pods.ended(seen.pod(role).state_at(taint.sent)):
            raise NotExercised(f"pod {role} had not run its course when its node was tainted", about=seen.name(role))
        yield from evictions.due(seen, role, taint, 0, "table")
        if seen.pod(role).last is not None and pods.terminating(seen.pod(role).last):
            yield Violation(
                want=f"pod {role} gone at once", got="it is still there, terminating", about=seen.name(role)
            )


@judges("M-EV-17", reads=user_taints)
def test_a_pod_that_is_terminating_already_is_left_alone(seen: Seen) -> None:
    taint = _tainted(seen)
    story = seen.pod("leaving")
    before = story.state_at(taint.sent)
    if not pods.terminating(before):
        raise NotExercised("the pod was not terminating when its node was tainted", about=story.name)
    for event in story.since(taint.sent).events:
        own = (before or {})["metadata"]["deletionTimestamp"]
        new = (event.after or {}).get("metadata", {}).get("deletionTimestamp")
        if new != own:
            got = "it vanished" if event.after is None else f"deletionTimestamp moved to {new}"
            raise Violation(want=f"deletionTimestamp {own} kept", got=got, at=event.at, about=story.name)
