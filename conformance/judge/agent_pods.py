"""Facts about pods on an agent's node: what the agent wrote of them, and what became of their containers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import attrs

from conformance.judge.agent import AgentSeen, sent_body
from conformance.judge.agent_requests import Exchanges
from conformance.record.history import Exchange, Object, ObjectEvent, Story
from conformance.verdict import NotExercised

PODS = "/api/v1/namespaces/[^/]+/pods"


def path(seen: AgentSeen, role: str, subresource: str = "") -> str:
    """Path of a pod, as an expression."""
    name = re.escape(seen.naming.name(role))
    return f"{PODS}/{name}" + (f"/{subresource}" if subresource else "")


def status_writes(seen: AgentSeen, role: str) -> Exchanges:
    """The agent's writes of a pod's status that worked."""
    return tuple(x for x in seen.requests("PUT|PATCH", path(seen, role, "status")) if x.status == 200)


def all_status_writes(seen: AgentSeen) -> Exchanges:
    """The agent's writes of the status of any pod, whatever came of them."""
    return seen.requests("PUT|PATCH", f"{PODS}/[^/]+/status")


def removals(seen: AgentSeen, role: str) -> Exchanges:
    """The agent's requests to delete a pod."""
    return seen.requests("DELETE", path(seen, role))


def all_removals(seen: AgentSeen) -> Exchanges:
    """The agent's requests to delete any pod."""
    return seen.requests("DELETE", f"{PODS}/[^/]+")


def pod_name(exchange: Exchange) -> str:
    """Name of the pod that a request is about."""
    return exchange.path.partition("?")[0].split("/")[6]


def written_uid(exchange: Exchange) -> str:
    """The uid that a write carries; empty when it carries none."""
    return str(((sent_body(exchange) or {}).get("metadata") or {}).get("uid", ""))


def of_uid(story: Story, uid: str) -> Story:
    """The part of a story that is about one object of several with the same name."""
    return Story(story.kind, story.name, tuple(event for event in story.events if event.uid == uid))


def status(state: Object | None) -> Mapping[str, Any]:
    """The status of a pod; empty when it is gone."""
    found: Mapping[str, Any] = (state or {}).get("status") or {}
    return found


def phase(state: Object | None) -> str:
    """The phase of a pod; empty when it is gone."""
    return str(status(state).get("phase") or "")


def container(state: Object | None, name: str) -> Mapping[str, Any]:
    """The status of a container, an init container among them; empty when there is none."""
    for field in ("containerStatuses", "initContainerStatuses"):
        for each in status(state).get(field) or ():
            if each["name"] == name:
                found: Mapping[str, Any] = each
                return found
    return {}


def containers(state: Object | None) -> list[Mapping[str, Any]]:
    """The statuses of a pod's app containers."""
    return list(status(state).get("containerStatuses") or ())


def is_running(found: Mapping[str, Any]) -> bool:
    """Whether a container status says that it runs."""
    return "running" in (found.get("state") or {})


def terminated(found: Mapping[str, Any], field: str = "state") -> Mapping[str, Any] | None:
    """How a container ended; None when it did not. `lastState` tells of the run before."""
    ended: Mapping[str, Any] | None = (found.get(field) or {}).get("terminated")
    return ended


def waiting(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Why a container waits; empty when it does not."""
    reason: Mapping[str, Any] = (found.get("state") or {}).get("waiting") or {}
    return reason


def first_report(seen: AgentSeen, role: str) -> ObjectEvent:
    """A pod as the agent first reported it.

    Raises:
        NotExercised: it never did, or there was no pod.
    """
    for event in seen.pod(role).events:
        if status(event.after).get("startTime"):
            return event
    raise NotExercised(f"no status of {role} came from the agent", about=seen.naming.name(role))


def first(seen: AgentSeen, role: str, phase_: str) -> ObjectEvent:
    """A pod as first seen in a phase.

    Raises:
        NotExercised: it never was in it.
    """
    found = next((event for event in seen.pod(role).events if phase(event.after) == phase_), None)
    if found is None:
        raise NotExercised(f"{role} was never {phase_}", about=seen.naming.name(role))
    return found


def last(seen: AgentSeen, role: str) -> Object:
    """A pod as last seen before it went, if it did.

    Raises:
        NotExercised: there was none.
    """
    events = seen.pod(role).events
    state = (events[-1].after or events[-1].before) if events else None
    if state is None:
        raise NotExercised(f"there was no pod {role}", about=seen.naming.name(role))
    return state


def runs(seen: AgentSeen, role: str, name: str) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """Every end of a container that was told, once, with when it was told: of its state and of the one before."""
    known: set[str] = set()
    for event in seen.pod(role).events:
        found = container(event.after, name)
        for field in ("lastState", "state"):
            ended = terminated(found, field)
            if ended is not None and ended.get("containerID") not in known:
                known.add(str(ended.get("containerID")))
                yield event.at, ended


@attrs.frozen
class Attempt:
    """One run of a container, as far as it was told: an agent that is short of time may tell of two things at once.

    Attributes:
        number: how many restarts came before.
        ids: the ids it was told to have; there should be one.
        begun: when it started; None when that was not told.
        ended: when it ended; None when that was not told.
    """

    number: int
    ids: tuple[str, ...] = ()
    begun: datetime | None = None
    ended: datetime | None = None


def attempts(seen: AgentSeen, role: str, name: str) -> list[Attempt]:
    """The runs of a container that were told, in order; some may be missing."""
    found: dict[int, Attempt] = {}
    for event in seen.pod(role).events:
        known = container(event.after, name)
        for number, told in _told(known):
            before = found.get(number, Attempt(number))
            ids = dict.fromkeys((*before.ids, str(told["containerID"])) if told.get("containerID") else before.ids)
            found[number] = Attempt(
                number,
                tuple(ids),
                before.begun or _moment(told, "startedAt"),
                before.ended or _moment(told, "finishedAt"),
            )
    return [found[number] for number in sorted(found)]


def _told(known: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """What a container status says of the current run and of the one before, by number of the run."""
    number = int(known.get("restartCount") or 0)
    running, ended, before = (
        (known.get("state") or {}).get("running"),
        terminated(known),
        terminated(known, "lastState"),
    )
    if running is not None:
        yield number, {**running, "containerID": known.get("containerID")}
    if ended is not None:
        yield number, ended
    if before is not None:
        # While a container waits to be started again, the run before is the current one.
        yield number - (running is not None or ended is not None), before


def _moment(told: Mapping[str, Any], field: str) -> datetime | None:
    return datetime.fromisoformat(told[field]) if told.get(field) else None


def pauses(seen: AgentSeen, role: str, name: str) -> list[tuple[int, datetime, float]]:
    """Number of each restart that was told, when the run before it ended, and seconds until the next one."""
    runs = attempts(seen, role, name)
    return [
        (after.number, before.ended, (after.begun - before.ended).total_seconds())
        for before, after in pairwise(runs)
        if after.number == before.number + 1 and before.ended is not None and after.begun is not None
    ]


def on_node(listed: object, uid: str) -> list[Mapping[str, Any]]:
    """Those containers of a pod that run, of a list that a driver gave."""
    assert isinstance(listed, list)
    return [each for each in listed if each["pod_uid"] == uid and each["state"] == "running"]


def delete_options(exchange: Exchange) -> Mapping[str, Any]:
    """Options of a request to delete, from its body or its query."""
    try:
        body: Mapping[str, Any] = json.loads(exchange.request or "{}")
    except ValueError:
        return {}
    return body
