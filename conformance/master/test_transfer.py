"""Controllers make up for the pods of a silent node, once these are evicted and not before."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.transfer import ENDS, LEFT_OUT, MOVING, patience, transfer
from conformance.judge import conditions, events, evictions, pods, windows, workloads
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.judge.workloads import counts
from conformance.kinds import REPLICA_SET, STATEFUL_SET
from conformance.record.history import Object, Story
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


def _served(seen: Seen) -> list[str]:
    """Workloads of the kinds that the target serves."""
    served = [role for role, (kind, _) in MOVING.items() if seen.facts.served(kind)]
    if not served:
        raise Unsupported("the target serves no ReplicationControllers, ReplicaSets or Deployments")
    return served


def _first(seen: Seen, role: str) -> tuple[Story, ...]:
    """The pods of a workload that the victim had when it fell silent."""
    count = MOVING[role][1] if role in MOVING else 1
    return workloads.began_on(seen, role, "victim", count, seen.mark("victim silent").at)


def _evicted(seen: Seen, role: str) -> list[float]:
    silences.flip(seen, "victim")
    return workloads.evictions(_first(seen, role), seen.mark("victim silent").at)


def _sets(seen: Seen) -> None:
    if not seen.facts.served(REPLICA_SET):
        raise Unsupported("the target serves no ReplicaSets")


@judges("M-XF-01", reads=transfer)
def test_every_controller_replaces_an_evicted_pod_at_once(seen: Seen) -> Iterator[Violation]:
    for role in _served(seen):
        first, deleted = _first(seen, role), _evicted(seen, role)
        new = workloads.later(seen, role, first)
        for number, at in enumerate(deleted):
            start = windows.seen_at(at, f"the deletion of pod {number + 1} of {role}", seen.timing.watch_lag)
            created = new[number].events[0].at if number < len(new) else None
            about = tuple(story.name for story in (*first, *new))
            what = "a new pod"
            until = seen.mark("victim returns").at
            yield from windows.misses(what, created, start, seen.timing.replacement(), until=until, about=about)
            if created is not None and any(story.state_at(created) is None for story in first):
                want = "the replacement while the evicted pod is still there"
                yield Violation(want=want, got="an evicted pod was gone already", at=created, about=about)


@judges("M-XF-01", reads=transfer)
def test_a_pod_that_has_ended_is_replaced(seen: Seen) -> Iterator[Violation]:
    _sets(seen)
    if any(mark.name == LEFT_OUT for mark in seen.history.marks):
        raise Unsupported("the agent that plays the victim says itself how its pods end; the suite cannot")
    first = workloads.began_on(seen, "ending", "victim", len(ENDS), seen.mark(f"a pod has {ENDS[0]} sent").at)
    new = workloads.later(seen, "ending", first)
    for number, phase in enumerate(ENDS):
        start = evictions.request(seen, f"a pod has {phase}", f"the phase {phase} of a pod")
        created = new[number].events[0].at if number < len(new) else None
        about = tuple(story.name for story in (*first, *new))
        limit, until = seen.timing.replacement(), seen.history.until
        yield from windows.misses("a new pod", created, start, limit, until=until, about=about)


@judges("M-EV-15", reads=transfer)
def test_pods_are_evicted_whoever_owns_them(seen: Seen) -> Iterator[Violation]:
    """Some owners delete pods by themselves when a node is lost for good: only the latest moment counts here."""
    span = silences.tainted(seen, "victim")
    start = windows.seen_at(span.since, "the NoExecute taint", seen.timing.watch_lag)
    limit, returns = seen.timing.eviction(patience(seen.timing)), seen.mark("victim returns").at
    for role in (*_served(seen), *(("stateful",) if seen.facts.served(STATEFUL_SET) else ())):
        for story in seen.pods_of(role):
            if pods.bound_to(story.state_at(span.since)) == seen.name("victim"):
                deletion = pods.deletion(story.since(span.since))
                at = deletion.at if deletion else None
                about = (story.name, seen.name("victim"))
                yield from windows.misses(
                    f"the deletion of a pod of {role}", at, start, limit, until=returns, about=about
                )


@judges("M-XF-01", reads=transfer)
def test_the_owner_tells_of_the_replacement(seen: Seen) -> None:
    role = next(role for role in _served(seen) if role != "deployment")
    new = workloads.later(seen, role, _first(seen, role))
    if not new:
        raise NotExercised("there was no replacement", about=seen.name(role))
    said = list(events.said(seen, role, "SuccessfulCreate"))
    if not any(new[0].name in event.message and event.type == "Normal" for event in said):
        want = f"a Normal Event SuccessfulCreate about {role} that names {new[0].name}"
        got = "; ".join(f"{event.type}: {event.message}" for event in said) or "none"
        raise Violation(want=want, got=got, about=(seen.name(role), new[0].name), level="SHOULD")


@judges("M-XF-02", reads=transfer)
def test_nothing_is_replaced_while_the_node_is_only_lost(seen: Seen) -> Iterator[Violation]:
    silences.flip(seen, "victim")
    for role in _served(seen):
        first, began = _first(seen, role), seen.mark("victim silent").at
        requested = [deletion.at for story in first if (deletion := pods.deletion(story.since(began)))]
        until = min([*requested, seen.mark("victim returns").at]) - seen.timing.watch_lag
        for story in workloads.later(seen, role, first):
            if story.events[0].at < until:
                want = f"no further pod of {role} before one of its pods is deleted"
                about = (story.name, *(each.name for each in first), seen.name("victim"))
                yield Violation(want=want, got="a pod was created", at=story.events[0].at, about=about)


@judges("M-XF-02", reads=transfer)
def test_a_pod_that_tolerates_the_silence_is_not_replaced(seen: Seen) -> Iterator[Violation]:
    _sets(seen)
    silences.flip(seen, "victim")
    first = _first(seen, "calm")
    for story in workloads.later(seen, "calm", first):
        about = (story.name, first[0].name)
        yield Violation(want="one pod of calm, as before", got="another one", at=story.events[0].at, about=about)


@judges("M-XF-03", reads=transfer)
def test_a_replacement_is_a_new_pod_of_the_same_owner(seen: Seen) -> Iterator[Violation]:
    for role in _served(seen):
        first, _ = _first(seen, role), _evicted(seen, role)
        owner = workloads.controller(first[0].events[0].after)
        for story in workloads.later(seen, role, first):
            state = story.events[0].after or {}
            own = workloads.controller(state)
            if own.get("uid") != owner.get("uid"):
                want = f"controller {owner.get('kind')} {owner.get('name')} ({owner.get('uid')})"
                yield Violation(want=want, got=str(dict(own) or "none"), at=story.events[0].at, about=story.name)
            labels, wanted = state["metadata"].get("labels") or {}, seen.naming.labels(role)
            if not wanted.items() <= labels.items():
                want = f"the labels of the template: {wanted}"
                yield Violation(want=want, got=str(labels), at=story.events[0].at, about=story.name)
            template = (seen.story(MOVING[role][0].name, role).events[0].after or {})["spec"]["template"]
            said, due = _templated(state), _templated(template)
            if said != due:
                want = f"what the template says: {due}"
                yield Violation(want=want, got=str(said), at=story.events[0].at, about=story.name)


def _templated(pod: Object) -> Object:
    """What a pod, or a template, says that nobody else may add to."""
    note = (pod["metadata"].get("annotations") or {}).get(workloads.NOTE)
    return {
        **{field: pod["spec"].get(field) for field in ("nodeSelector", "terminationGracePeriodSeconds")},
        "note": note,
    }


@judges("M-XF-03", reads=transfer)
def test_a_replacement_goes_to_another_node(seen: Seen) -> Iterator[Violation]:
    returns = seen.mark("victim returns").at
    for role in _served(seen):
        first, _ = _first(seen, role), _evicted(seen, role)
        for story in workloads.later(seen, role, first):
            place = pods.bound_to(story.state_at(returns))
            if place != seen.name("keeper"):
                want = f"pod of {role} on the healthy node"
                got = "the silent node" if place == seen.name("victim") else place or "no node"
                yield Violation(want=want, got=got, about=(story.name, seen.name("keeper"), seen.name("victim")))


@judges("M-XF-04", reads=transfer)
def test_as_many_pods_as_wanted_whatever_comes_back(seen: Seen) -> Iterator[Violation]:
    attended = seen.mark("victim looks after its pods").at
    for role in _served(seen):
        first, _ = _first(seen, role), _evicted(seen, role)
        wanted, new = MOVING[role][1], workloads.later(seen, role, first)
        if len(new) < wanted or any(story.state_at(seen.history.until) is not None for story in first):
            raise NotExercised(f"{role} was not replaced, or its old pods were not ended", about=seen.name(role))
        replaced = new[wanted - 1].events[0].at
        about = tuple(story.name for story in (*first, *new))
        for at, active in counts((*first, *new), seen.mark("victim silent").at, seen.history.until):
            if active > wanted or (active < wanted and at >= replaced):
                when = "after the return of the node" if at >= attended else "before the return of the node"
                want = f"{wanted} active pods of {role}"
                yield Violation(want=want, got=f"{active}, {when}", at=at, about=about)
                break


@judges("M-XF-05", reads=transfer)
def test_terminating_pods_are_no_replicas(seen: Seen) -> Iterator[Violation]:
    returns = seen.mark("victim returns").at
    for role in _served(seen):
        first, deleted = _first(seen, role), _evicted(seen, role)
        kind, wanted = MOVING[role]
        if not all(pods.terminating(story.state_at(returns)) for story in first):
            raise NotExercised(f"the old pods of {role} were gone already", about=seen.name(role))
        if len(workloads.later(seen, role, first)) < wanted:
            raise NotExercised(f"{role} was not replaced", about=seen.name(role))
        story = seen.story(kind.name, role)
        for event in story.since(deleted[0]).until(returns).events:
            replicas = ((event.after or {}).get("status") or {}).get("replicas", 0)
            if replicas > wanted:
                got = f"status.replicas {replicas}"
                yield Violation(want=f"at most {wanted} in {role}", got=got, at=event.at, about=story.name)
                break
        replicas = ((story.state_at(returns) or {}).get("status") or {}).get("replicas", 0)
        if replicas < wanted:
            want = f"status.replicas {wanted} in {role}, beside {len(first)} terminating"
            yield Violation(want=want, got=str(replicas), at=returns, about=story.name)


@judges("M-XF-10", reads=transfer)
def test_terminating_pods_are_counted_apart(seen: Seen) -> None:
    _sets(seen)
    returns = seen.mark("victim returns").at
    first, _ = _first(seen, "set"), _evicted(seen, "set")
    leaving = sum(pods.terminating(story.state_at(returns)) for story in first)
    if leaving != len(first):
        raise NotExercised("the old pods were gone already", about=seen.name("set"))
    story = seen.story("ReplicaSet", "set")
    found = ((story.state_at(returns) or {}).get("status") or {}).get("terminatingReplicas")
    if found != leaving:
        want = f"status.terminatingReplicas {leaving}"
        raise Violation(want=want, got=str(found), at=returns, about=story.name)


@judges("M-XF-08", reads=transfer)
def test_a_bare_pod_is_evicted_and_never_comes_again(seen: Seen) -> Iterator[Violation]:
    span = silences.tainted(seen, "victim")
    taint = windows.seen_at(span.since, "the NoExecute taint", seen.timing.watch_lag)
    evictions.require(seen, ["bare"], taint.sent)
    yield from evictions.due(seen, "bare", taint, patience(seen.timing), "victim")
    gone = False
    for event in seen.pod("bare").events:
        if gone and event.after is not None:
            want = "no pod of that name any more, nobody owning it"
            yield Violation(want=want, got="it was created anew", at=event.at, about=event.name)
        gone = gone or event.after is None


@judges("M-XF-09", reads=transfer)
def test_a_replacement_without_a_feasible_node_waits(seen: Seen) -> Iterator[Violation]:
    _sets(seen)
    _evicted(seen, "stranded")
    returns = seen.mark("victim returns").at
    new = workloads.later(seen, "stranded", _first(seen, "stranded"))
    if not new:
        raise NotExercised("there was no replacement; M-XF-01 judges that", about=seen.name("stranded"))
    for event in new[0].until(returns).events:
        ended = not workloads.is_active(event.after)
        if ended or pods.bound_to(event.after):
            got = "it was ended" if ended else f"it was bound to {pods.bound_to(event.after)}"
            want = "the replacement Pending, while no node may take it"
            yield Violation(want=want, got=got, at=event.at, about=(new[0].name, seen.name("victim")))
            return
    found = conditions.condition(new[0].state_at(returns), "PodScheduled") or {}
    if (found.get("status"), found.get("reason")) != ("False", "Unschedulable"):
        got = f"PodScheduled={found.get('status', 'absent')}, reason {found.get('reason', 'none')}"
        yield Violation(want="PodScheduled=False, reason Unschedulable", got=got, at=returns, about=new[0].name)


@judges("M-XF-09", reads=transfer)
def test_the_replacement_is_bound_when_the_node_recovers(seen: Seen) -> Iterator[Violation]:
    _sets(seen)
    _evicted(seen, "stranded")
    start = windows.between(seen, "victim returns", "victim recovered", "the node's recovery")
    new = workloads.later(seen, "stranded", _first(seen, "stranded"))
    if not new or not workloads.is_active(new[0].state_at(start.sent)):
        raise NotExercised("no replacement waited when the node came back", about=seen.name("stranded"))
    bound = next((event.at for event in new[0].since(start.sent).events if pods.bound_to(event.after)), None)
    about = (new[0].name, seen.name("victim"))
    until = seen.history.until
    yield from windows.misses("its binding", bound, start, seen.timing.scheduled(), until=until, about=about)


@judges("M-RDY-06", reads=transfer)
def test_the_owner_counts_fewer_ready_pods_and_as_many_replicas(seen: Seen) -> Iterator[Violation]:
    flip = silences.flip(seen, "victim")
    for role in _served(seen):
        first = _first(seen, role)
        kind, wanted = MOVING[role]
        since = flip.at - seen.timing.watch_lag
        turns = [conditions.turned(story.since(since), "Ready", "False") for story in first]
        if not all(turns):
            raise NotExercised(f"the pods of {role} were not marked not ready", about=seen.name(role))
        at = max(turn.at for turn in turns if turn)
        evicted = min([d.at for story in first if (d := pods.deletion(story.since(since)))], default=None)
        if evicted is not None and evicted - at < seen.timing.endpoints_updated().latest:
            raise NotExercised(f"the pods of {role} were evicted too soon to tell", about=seen.name(role))
        start = windows.seen_at(at, f"Ready=False of the pods of {role}", seen.timing.watch_lag)
        story = seen.story(kind.name, role)
        dropped = next((e.at for e in story.since(start.sent).events if not _status(e.after, "readyReplicas")), None)
        limit, about = seen.timing.endpoints_updated(), (story.name, *(each.name for each in first))
        yield from windows.misses(
            "status.readyReplicas 0", dropped, start, limit, until=seen.mark("victim returns").at, about=about
        )
        until = seen.mark("victim returns").at if evicted is None else evicted - seen.timing.watch_lag
        for event in story.since(start.sent).until(until).events:
            if _status(event.after, "replicas") != wanted:
                got = f"status.replicas {_status(event.after, 'replicas')}"
                yield Violation(want=f"status.replicas {wanted}", got=got, at=event.at, about=about)


def _status(state: object, field: str) -> int:
    status = state.get("status") if isinstance(state, dict) else None
    return int((status or {}).get(field) or 0)
