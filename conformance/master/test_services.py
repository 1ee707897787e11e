"""What Services publish of the pods of a silent node."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.drive.scenarios.master.services import OTHERS, PORT, services
from conformance.judge import conditions, pods, windows
from conformance.judge import services as published
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.judge.services import NOT_READY, READY, Listed, Publication
from conformance.judge.windows import Start
from conformance.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

TERMINATING_SINCE = 22
"""From Kubernetes 1.22 on EndpointSlices keep terminating pods and have the conditions serving and terminating."""


def _published(seen: Seen, kind: Kind, service: str) -> list[Publication]:
    """What a Service published.

    Raises:
        Unsupported: the target serves no Services, or not this kind.
        NotExercised: nothing was ever published.
    """
    for each in (SERVICE, kind):
        if not seen.facts.served(each):
            raise Unsupported(f"the target serves no {each.plural}")
    found = list(published.published(seen.history, kind.name, seen.name(service)))
    if not found:
        raise NotExercised(f"there never were {kind.plural} of the Service", about=seen.name(service))
    return found


def _not_ready(seen: Seen) -> Start:
    """When the pod `patient` lost Ready."""
    since = silences.flip(seen, "victim").at - seen.timing.watch_lag
    turn = conditions.turned(seen.pod("patient").since(since), "Ready", "False")
    if turn is None:
        raise NotExercised("the pod was not marked not ready", about=seen.name("patient"))
    return windows.seen_at(turn.at, "the pod's Ready=False", seen.timing.watch_lag)


def _ready_again(seen: Seen) -> Start:
    """When the pod `patient` became Ready again, written by its node."""
    turn = conditions.turned(seen.pod("patient").since(seen.mark("victim looks after its pods").at), "Ready", "True")
    if turn is None:
        raise NotExercised("the pod did not become Ready again", about=seen.name("patient"))
    return windows.seen_at(turn.at, "the pod's Ready=True", seen.timing.watch_lag)


def _evicted(seen: Seen, role: str) -> Start:
    """When a pod's deletion was requested."""
    deletion = pods.deletion(seen.pod(role))
    if deletion is None or deletion.vanished:
        raise NotExercised(f"pod {role} was never seen terminating", about=seen.name(role))
    return windows.seen_at(deletion.at, "the pod's deletion", seen.timing.watch_lag)


def _due(
    seen: Seen, kind: Kind, role: str, start: Start, what: str, holds: Callable[[Listed], bool]
) -> Iterator[Violation]:
    """The Service `service` must publish a pod in some way soon after something."""
    found = _published(seen, kind, "service")
    at = published.first(found, start.sent, holds)
    about = (seen.name("service"), seen.name(role))
    limit = seen.timing.endpoints_updated()
    yield from windows.misses(what, at, start, limit, until=seen.history.until, about=about)


@judges("M-RDY-04", reads=services)
def test_a_pod_that_is_not_ready_moves_to_the_not_ready_addresses(seen: Seen) -> Iterator[Violation]:
    start, name = _not_ready(seen), seen.name("patient")
    if published.at(_published(seen, ENDPOINTS, "service"), start.sent).get(name) != READY:
        raise NotExercised("the pod was not among the addresses before", about=seen.name("service"))
    what = "the pod among notReadyAddresses"
    yield from _due(seen, ENDPOINTS, "patient", start, what, lambda listed: listed.get(name) == NOT_READY)
    returns = seen.mark("victim returns").at
    if published.at(_published(seen, ENDPOINTS, "service"), returns).get(name) is None:
        want = "the pod still listed, among notReadyAddresses, while its node is silent"
        yield Violation(want=want, got="it is listed nowhere", at=returns, about=(seen.name("service"), name))


@judges("M-RDY-08", reads=services)
def test_only_pods_of_the_namespace_with_all_labels_are_listed(seen: Seen) -> Iterator[Violation]:
    for role in OTHERS:
        name = seen.name(role)
        if not any(conditions.status(event.after, "Ready") == "True" for event in seen.pod(role).events):
            raise NotExercised(f"pod {role} never was Ready", about=name)
        at = published.first(_published(seen, ENDPOINTS, "service"), 0, _lists(name))
        if at is not None:
            want = f"pod {role}, which the Service does not select, listed nowhere"
            yield Violation(want=want, got="it is listed", at=at, about=(seen.name("service"), name))


@judges("M-RDY-08", reads=services)
def test_an_address_says_where_and_what_it_is(seen: Seen) -> Iterator[Violation]:
    _published(seen, ENDPOINTS, "service")
    story = seen.story(ENDPOINTS.name, "service").until(seen.mark("departing deleted sent").at)
    for role in ("patient", "neighbour"):
        pod = seen.pod(role).state_at(seen.mark("departing deleted sent").at)
        found = published.address(story.last, seen.name(role))
        if pod is None or found is None:
            raise NotExercised(f"pod {role} was not listed", about=seen.name("service"))
        want = published.due_address(pod, PORT)
        got = {field: found.get(field) for field in want}
        if got != want:
            yield Violation(want=str(want), got=str(got), about=(seen.name("service"), seen.name(role)))


@judges("M-RDY-04", reads=services)
def test_the_pod_moves_back_when_it_is_ready_again(seen: Seen) -> Iterator[Violation]:
    name = seen.name("patient")
    what = "the pod among addresses"
    yield from _due(seen, ENDPOINTS, "patient", _ready_again(seen), what, lambda listed: listed.get(name) == READY)


@judges("M-RDY-04", reads=services)
def test_a_terminating_pod_leaves_the_endpoints(seen: Seen) -> Iterator[Violation]:
    for role in ("departing", "brief"):
        name = seen.name(role)
        start = _evicted(seen, role)
        if name not in published.at(_published(seen, ENDPOINTS, "service"), start.sent):
            raise NotExercised(f"pod {role} was not listed before", about=seen.name("service"))
        what = f"the end of pod {role} in the Endpoints"
        yield from _due(seen, ENDPOINTS, role, start, what, _lacks(name))


@judges("M-RDY-04", reads=services)
def test_a_service_that_publishes_all_pods_keeps_them(seen: Seen) -> Iterator[Violation]:
    start = _not_ready(seen)
    found = _published(seen, ENDPOINTS, "publisher")
    name = seen.name("patient")
    if published.at(found, start.sent).get(name) != READY:
        raise NotExercised("the pod was not among the addresses before", about=seen.name("publisher"))
    left = published.first(found, start.sent, lambda listed: listed.get(name) != READY)
    if left is not None:
        want = "the pod among addresses, although it is not ready: publishNotReadyAddresses is set"
        listed = published.at(found, left).get(name, "listed nowhere")
        yield Violation(want=want, got=str(listed), at=left, about=(seen.name("publisher"), name))


@judges("M-RDY-05", reads=services)
def test_the_slice_says_that_the_pod_is_not_ready(seen: Seen) -> Iterator[Violation]:
    start, name = _not_ready(seen), seen.name("patient")
    if published.at(_published(seen, ENDPOINT_SLICE, "service"), start.sent).get(name, {}).get("ready") is not True:
        raise NotExercised("the pod was not ready in the EndpointSlice before", about=seen.name("service"))
    wanted = {"ready": False}
    if seen.facts.minor >= TERMINATING_SINCE:
        wanted |= {"serving": False, "terminating": False}
    yield from _due(seen, ENDPOINT_SLICE, "patient", start, f"conditions {wanted}", _has(name, wanted))


@judges("M-RDY-05", reads=services)
def test_the_slice_says_that_the_pod_is_ready_again(seen: Seen) -> Iterator[Violation]:
    start, name = _ready_again(seen), seen.name("patient")
    yield from _due(seen, ENDPOINT_SLICE, "patient", start, "condition ready", _has(name, {"ready": True}))


@judges("M-RDY-05", reads=services)
def test_a_terminating_pod_is_not_ready_in_the_slice(seen: Seen) -> Iterator[Violation]:
    """Up to 1.21 it leaves; later it stays until it is gone, and `serving` tells whether it still answers."""
    for role, serving in (("departing", True), ("brief", False)):
        start, name = _evicted(seen, role), seen.name(role)
        if name not in published.at(_published(seen, ENDPOINT_SLICE, "service"), start.sent):
            raise NotExercised(f"pod {role} was not in the EndpointSlice before", about=seen.name("service"))
        if seen.facts.minor < TERMINATING_SINCE:
            what = f"the end of pod {role} in the EndpointSlice"
            yield from _due(seen, ENDPOINT_SLICE, role, start, what, _lacks(name))
        else:
            wanted = {"ready": False, "serving": serving, "terminating": True}
            what = f"conditions {wanted} of pod {role}"
            yield from _due(seen, ENDPOINT_SLICE, role, start, what, _has(name, wanted))


def _has(pod: str, wanted: dict[str, bool]) -> Callable[[Listed], bool]:
    def holds(listed: Listed) -> bool:
        found = listed.get(pod)
        return found is not None and all(found.get(kind) is status for kind, status in wanted.items())

    return holds


def _lists(pod: str) -> Callable[[Listed], bool]:
    return lambda listed: pod in listed


def _lacks(pod: str) -> Callable[[Listed], bool]:
    return lambda listed: pod not in listed
