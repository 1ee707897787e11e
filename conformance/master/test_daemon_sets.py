"""DaemonSets: one pod on every node that suits, whatever becomes of the node."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.daemons import HEALTHY, IN_THE_BEGINNING, IN_THE_END, daemons
from conformance.judge import conditions, evictions, pods, taints, windows
from conformance.judge import daemons as facts
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE
from conformance.judge.windows import Start
from conformance.record.history import Object, Story
from conformance.scenario import judges
from conformance.timing import Window
from conformance.verdict import NotExercised, Violation

TOLERATED = (
    (NOT_READY, NO_EXECUTE),
    (UNREACHABLE, NO_EXECUTE),
    ("node.kubernetes.io/disk-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/memory-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/pid-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/unschedulable", NO_SCHEDULE),
)
NETWORK = ("node.kubernetes.io/network-unavailable", NO_SCHEDULE)


def _first(seen: Seen, daemon: str, node: str) -> Story:
    """The first pod of a DaemonSet for a node.

    Raises:
        NotExercised: there never was one; M-DS-03 judges that.
    """
    found = facts.pods_for(seen, daemon, node)
    if not found:
        raise NotExercised(f"no pod of {daemon} was made for {node}", about=(seen.name(daemon), seen.name(node)))
    return found[0]


def _tolerates(state: Object | None, key: str, effect: str) -> bool:
    """Whether a pod says that it tolerates a taint, by name and without limit."""
    return any(
        (entry.get("key"), entry.get("operator"), entry.get("effect")) == (key, "Exists", effect)
        and entry.get("tolerationSeconds") is None
        for entry in ((state or {}).get("spec") or {}).get("tolerations") or []
    )


@judges("M-DS-01", reads=daemons)
def test_daemon_pods_tolerate_the_troubles_of_their_nodes(seen: Seen) -> Iterator[Violation]:
    for daemon in ("daemon", "host"):
        story = _first(seen, daemon, "plain")
        wanted = (*TOLERATED, NETWORK) if daemon == "host" else TOLERATED
        for key, effect in wanted:
            if not _tolerates(story.events[0].after, key, effect):
                want = f"a toleration of {key}:{effect} with operator Exists and no limit in a pod of {daemon}"
                yield Violation(want=want, got="none", at=story.events[0].at, about=story.name)


@judges("M-DS-01", reads=daemons)
def test_only_pods_on_the_hosts_network_tolerate_its_absence(seen: Seen) -> None:
    story = _first(seen, "daemon", "plain")
    if _tolerates(story.events[0].after, *NETWORK):
        want = f"no toleration of {NETWORK[0]} in a pod that is not on the host's network"
        raise Violation(want=want, got="there is one", at=story.events[0].at, about=story.name)


@judges("M-DS-02", reads=daemons)
def test_a_daemon_pod_survives_the_loss_of_its_node(seen: Seen) -> None:
    silences.flip(seen, "lost")
    span = taints.first(seen.node("lost"), UNREACHABLE, NO_EXECUTE)
    until = seen.mark("lost was lost for long").at
    if span is None or until - span.since < seen.timing.default_unreachable_toleration_seconds:
        raise NotExercised("the node was not lost for long enough", about=seen.name("lost"))
    story = _first(seen, "daemon", "lost")
    deletion = pods.deletion(story.until(until))
    if deletion is not None:
        got = f"deleted {deletion.at - span.since:.2f} s after the NoExecute taint"
        want = "the daemon pod on the lost node for as long as it is lost"
        raise Violation(want=want, got=got, at=deletion.at, about=(story.name, seen.name("lost")))


@judges("M-DS-02", reads=daemons)
def test_a_foreign_taint_drives_the_daemon_pod_away(seen: Seen) -> Iterator[Violation]:
    taint = evictions.request(seen, "plain tainted", "the user's NoExecute taint")
    story = _first(seen, "daemon", "plain")
    if not facts.present((story,), taint.sent):
        raise NotExercised("the daemon pod was gone before its node was tainted", about=story.name)
    deletion = pods.deletion(story.since(taint.sent))
    about = (story.name, seen.name("plain"))
    limit, until = seen.timing.eviction(0), seen.history.until
    yield from windows.misses("its deletion", deletion.at if deletion else None, taint, limit, until=until, about=about)
    untainted = evictions.request(seen, "plain untainted", "the end of the taint")
    settled = taint.answered + seen.timing.watch_lag
    for other in facts.pods_for(seen, "daemon", "plain"):
        if settled < other.events[0].at < untainted.sent:
            want = "no new daemon pod while the node has the taint"
            yield Violation(want=want, got="one was created", at=other.events[0].at, about=(other.name, *about))
            return
    born = [s.events[0].at for s in facts.pods_for(seen, "daemon", "plain") if s.events[0].at > untainted.sent]
    again = seen.timing.replacement()
    yield from windows.misses("a new pod", born[0] if born else None, untainted, again, until=until, about=about)


@judges("M-DS-03", reads=daemons)
def test_every_suitable_node_has_its_pod(seen: Seen) -> Iterator[Violation]:
    start = windows.between(seen, "daemon creation sent", "daemon created", "the creation of the DaemonSet")
    for node in HEALTHY:
        yield from _gets_one(seen, node, start)
    late = seen.mark("late registered")
    yield from _gets_one(seen, "late", Start(seen.mark("late registers").at, late.at, "its registration"))


def _gets_one(seen: Seen, node: str, start: Start) -> Iterator[Violation]:
    """A node must get a pod, and the scheduler must bind it."""
    found = facts.pods_for(seen, "daemon", node)
    about = (seen.name("daemon"), seen.name(node), *(story.name for story in found))
    born = found[0].events[0].at if found else None
    until = seen.history.until
    yield from windows.misses(
        f"a pod for node {node}", born, start, seen.timing.replacement(), until=until, about=about
    )
    if found and not any(pods.bound_to(event.after) == seen.name(node) for event in found[0].events):
        want = f"the pod for {node} bound to it"
        yield Violation(want=want, got="it never was bound", at=born, about=about)


@judges("M-DS-03", reads=daemons)
def test_no_node_has_two_pods(seen: Seen) -> Iterator[Violation]:
    for node in (*HEALTHY, "late"):
        found = facts.pods_for(seen, "daemon", node)
        for at, many in facts.crowds(found):
            about = (seen.name(node), *(story.name for story in found))
            yield Violation(want=f"never more than one pod for {node}", got=f"{many} at once", at=at, about=about)
            break


@judges("M-DS-03", reads=daemons)
def test_a_daemon_pod_names_its_node(seen: Seen) -> Iterator[Violation]:
    """By node affinity for the scheduler; the 1.5 line bound the pods itself."""
    for node in HEALTHY:
        story = _first(seen, "daemon", node)
        state = story.events[0].after
        wanted = pods.bound_to(state) if seen.facts.era == "1.5" else facts.pinned(state)
        if wanted != seen.name(node):
            want = f"required node affinity with matchFields metadata.name In [{seen.name(node)}]"
            got = f"it names {facts.pinned(state) or 'no node'}"
            yield Violation(want=want, got=got, at=story.events[0].at, about=story.name)


@judges("M-DS-04", reads=daemons)
def test_a_node_that_is_not_ready_gets_no_daemon_pod(seen: Seen) -> Iterator[Violation]:
    posted = seen.mark("unready posted Ready=True").at
    if not taints.has(seen.node("unready").state_at(seen.mark("daemon created").at), NOT_READY, NO_SCHEDULE):
        raise NotExercised("the node did not carry the not-ready taint", about=seen.name("unready"))
    found = facts.pods_for(seen, "daemon", "unready")
    about = (seen.name("unready"), *(story.name for story in found))
    if found and found[0].events[0].at < posted - seen.timing.slack:
        want = "no pod for a node that is not ready"
        yield Violation(want=want, got="one was created", at=found[0].events[0].at, about=about)
        return
    start = Start(posted - seen.timing.slack, posted, "the node's Ready=True")
    born = found[0].events[0].at if found else None
    limit = seen.timing.replacement()
    yield from windows.misses("its pod", born, start, limit, until=seen.history.until, about=about)


@judges("M-DS-04", reads=daemons)
def test_a_daemon_that_tolerates_it_runs_on_a_node_that_is_not_ready(seen: Seen) -> Iterator[Violation]:
    posted = seen.mark("unready posted Ready=True").at
    name = "the creation of a DaemonSet that tolerates the not-ready taint"
    start = windows.between(seen, "tolerant creation sent", "tolerant created", name)
    found = facts.pods_for(seen, "tolerant", "unready")
    about = (seen.name("tolerant"), seen.name("unready"))
    born = found[0].events[0].at if found else None
    yield from windows.misses("a pod", born, start, seen.timing.replacement(), until=posted, about=about)


@judges("M-DS-05", reads=daemons)
def test_a_deleted_node_is_no_longer_counted(seen: Seen) -> Iterator[Violation]:
    """At the latest when its pod has been collected: older controllers do not notice the deletion itself."""
    deleted = evictions.request(seen, "doomed deleted", "the deletion of the node")
    story = seen.story("DaemonSet", "fated")
    if _wanted(story.state_at(deleted.sent)) != 1:
        raise NotExercised("the DaemonSet did not want a pod on the node before", about=story.name)
    dropped = next((event.at for event in story.since(deleted.sent).events if _wanted(event.after) == 0), None)
    collected, counted = seen.timing.orphan_collected(), seen.timing.endpoints_updated()
    limit, until = Window(0, collected.latest + counted.latest), seen.history.until
    about = (story.name, seen.name("doomed"))
    yield from windows.misses("desiredNumberScheduled 0", dropped, deleted, limit, until=until, about=about)


def _wanted(state: Object | None) -> int:
    return _counted(state, "desiredNumberScheduled")


def _counted(state: Object | None, field: str) -> int:
    return int(((state or {}).get("status") or {}).get(field) or 0)


@judges("M-DS-08", reads=daemons)
def test_a_lost_node_still_counts_but_its_pod_is_not_ready(seen: Seen) -> Iterator[Violation]:
    flip = silences.flip(seen, "lost")
    story, pod = seen.story("DaemonSet", "faithful"), _first(seen, "faithful", "lost")
    turn = conditions.turned(pod.since(flip.at - seen.timing.watch_lag), "Ready", "False")
    before = story.state_at(flip.at - seen.timing.watch_lag)
    if turn is None or _counted(before, "numberReady") != 1:
        raise NotExercised("its pod was not ready before, or not marked not ready", about=(story.name, pod.name))
    start = windows.seen_at(turn.at, "its pod's Ready=False", seen.timing.watch_lag)
    dropped = next((e.at for e in story.since(start.sent).events if not _counted(e.after, "numberReady")), None)
    about = (story.name, pod.name, seen.name("lost"))
    limit, until = seen.timing.endpoints_updated(), seen.mark("lost was lost for long").at
    yield from windows.misses("numberReady 0", dropped, start, limit, until=until, about=about)
    for field in ("desiredNumberScheduled", "currentNumberScheduled"):
        for event in story.since(start.sent).until(until).events:
            if _counted(event.after, field) != 1:
                got = str(_counted(event.after, field))
                yield Violation(want=f"{field} 1, as before", got=got, at=event.at, about=about)
                break


@judges("M-DS-10", reads=daemons)
def test_the_status_counts_nodes_and_pods(seen: Seen) -> Iterator[Violation]:
    for when, wanted in (("in the beginning", IN_THE_BEGINNING), ("in the end", IN_THE_END)):
        at = seen.mark(f"counted {when}").at
        there = sum(bool(facts.present((story,), at)) for story in seen.pods_of("daemon"))
        if there != wanted["currentNumberScheduled"] + wanted["numberMisscheduled"]:
            raise NotExercised(f"there were {there} daemon pods {when}", about=seen.name("daemon"))
        state = seen.story("DaemonSet", "daemon").state_at(at)
        for field, number in wanted.items():
            if _counted(state, field) != number:
                want, got = f"{field} {number} {when}, with {there} pods", str(_counted(state, field))
                yield Violation(want=want, got=got, at=at, about=seen.name("daemon"))


@judges("M-DS-10", reads=daemons)
def test_what_is_not_ready_is_not_available(seen: Seen) -> None:
    until = seen.mark("lost was lost for long").at
    state = seen.story("DaemonSet", "faithful").state_at(until)
    if _counted(state, "currentNumberScheduled") != 1 or _counted(state, "numberReady"):
        raise NotExercised("its pod was not there, or ready", about=seen.name("faithful"))
    available, unavailable = _counted(state, "numberAvailable"), _counted(state, "numberUnavailable")
    if (available, unavailable) != (0, 1):
        want = "numberAvailable 0 and numberUnavailable 1, where numberReady is 0 of 1"
        raise Violation(want=want, got=f"{available} and {unavailable}", at=until, about=seen.name("faithful"))


@judges("M-DS-10", reads=daemons)
def test_the_status_of_a_daemon_set_is_of_its_generation(seen: Seen) -> None:
    at = seen.mark("counted in the beginning").at
    state = seen.story("DaemonSet", "daemon").state_at(at) or {"metadata": {}}
    generation, observed = state["metadata"].get("generation", 0), _counted(state, "observedGeneration")
    if observed != generation:
        want = f"observedGeneration {generation}, the only one there was"
        raise Violation(want=want, got=str(observed), at=at, about=seen.name("daemon"))


@judges("M-DS-09", reads=daemons)
def test_a_daemon_pod_that_failed_is_replaced(seen: Seen) -> Iterator[Violation]:
    start = evictions.request(seen, "daemon pod failed", "the failure of the daemon pod")
    old = facts.present(facts.pods_for(seen, "daemon", "late"), start.sent)
    if not old:
        raise NotExercised("the node had no daemon pod", about=seen.name("late"))
    gone = next((event.at for event in old[0].since(start.sent).events if event.after is None), None)
    new = [each for each in facts.pods_for(seen, "daemon", "late") if each.events[0].at > start.sent]
    about = (old[0].name, seen.name("late"), *(each.name for each in new))
    limit, until = seen.timing.replacement(), seen.history.until
    yield from windows.misses("the end of the failed pod", gone, start, limit, until=until, about=about)
    born = new[0].events[0].at if new else None
    yield from windows.misses("a new pod", born, start, limit, until=until, about=about)


@judges("M-DS-05", reads=daemons)
def test_the_daemon_pod_of_a_deleted_node_goes(seen: Seen) -> Iterator[Violation]:
    deleted = evictions.request(seen, "doomed deleted", "the deletion of its node")
    story = _first(seen, "daemon", "doomed")
    gone = next((event.at for event in story.since(deleted.sent).events if event.after is None), None)
    limit = Window(0, seen.timing.orphan_collected().latest)
    about = (story.name, seen.name("doomed"))
    yield from windows.misses("the end of the pod", gone, deleted, limit, until=seen.history.until, about=about)


@judges("M-DS-06", reads=daemons)
def test_a_node_that_no_longer_suits_loses_its_pod(seen: Seen) -> Iterator[Violation]:
    start = evictions.request(seen, "late unlabelled", "the label's end")
    story = _first(seen, "daemon", "late")
    if not facts.present((story,), start.sent):
        raise NotExercised("the node had no daemon pod", about=seen.name("late"))
    deletion = pods.deletion(story.since(start.sent))
    at = deletion.at if deletion else None
    again = evictions.request(seen, "late labelled again", "the label's return")
    about = (story.name, seen.name("late"))
    limit = seen.timing.replacement()
    yield from windows.misses("the pod's deletion", at, start, limit, until=again.sent, about=about)
    born = [each.events[0].at for each in facts.pods_for(seen, "daemon", "late") if each.events[0].at > again.sent]
    until = seen.history.until
    yield from windows.misses("a new pod", born[0] if born else None, again, limit, until=until, about=about)


@judges("M-DS-07", reads=daemons)
def test_a_daemon_pod_is_replaced_when_it_is_gone(seen: Seen) -> Iterator[Violation]:
    deleted = evictions.request(seen, "daemon pod deleted", "the deletion of the daemon pod")
    old = facts.present(facts.pods_for(seen, "daemon", "cordoned"), deleted.sent)
    if not old or not pods.terminating(old[0].state_at(seen.mark("daemon pod may end").at)):
        raise NotExercised("the pod was not terminating for long enough", about=seen.name("cordoned"))
    gone = next((event.at for event in old[0].since(deleted.sent).events if event.after is None), None)
    if gone is None:
        raise NotExercised("the pod was never ended", about=old[0].name)
    new = [each for each in facts.pods_for(seen, "daemon", "cordoned") if each.events[0].at > deleted.sent]
    about = (old[0].name, seen.name("cordoned"), *(each.name for each in new))
    born = new[0].events[0].at if new else None
    if born is not None and born < gone - seen.timing.watch_lag:
        want = "no second pod for the node while the first is terminating"
        yield Violation(want=want, got="one was created", at=born, about=about)
        return
    start = windows.seen_at(gone, "the end of the old one", seen.timing.watch_lag)
    limit, until = seen.timing.replacement(), seen.history.until
    yield from windows.misses("a new pod", born, start, limit, until=until, about=about)
