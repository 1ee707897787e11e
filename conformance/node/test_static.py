"""An agent shows the pods that come from files on its machine."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.node.static import agent_static, mirror_name
from conformance.judge import agent_pods as pods
from conformance.judge.agent import AgentSeen, sent_body
from conformance.record.history import Object, Story
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

PREFIX = "kubernetes.io/config."
OWNED = 17
"""Minor version from which a mirror is owned by its Node."""


def _mirror(seen: AgentSeen, role: str) -> Story:
    return seen.history.story("Pod", mirror_name(seen.naming.name(role), seen.node_name))


def _shown(seen: AgentSeen) -> Object:
    """The first mirror as it was when it ran.

    Raises:
        NotExercised: there was none.
    """
    found: Object | None = seen.mark("mirrored").facts["mirror"]
    if found is None:
        raise NotExercised("there was no mirror", about=_mirror(seen, "web").name)
    return found


@judges("N-POD-18", reads=agent_static)
def test_a_static_pod_is_mirrored(seen: AgentSeen) -> Iterator[Violation]:
    name, node = _mirror(seen, "web").name, seen.mark("mirrored").facts["node"]
    posted = [sent_body(x) or {} for x in seen.requests("POST", pods.PODS) if name in x.request and x.status == 201]
    if not posted or pods.phase(seen.mark("mirrored").facts["mirror"]) != "Running":
        yield Violation(want="a mirror that is told to run", got="none", at=seen.mark("mirrored").at, about=name)
        return
    metadata = posted[0].get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    lacking = [each for each in ("mirror", "hash", "source") if not annotations.get(PREFIX + each)]
    if lacking or annotations.get(PREFIX + "source") != "file":
        want = "annotations config.mirror, config.hash and config.source=file"
        yield Violation(want=want, got=f"{annotations}", about=name)
    owner = {"apiVersion": "v1", "kind": "Node", "name": seen.node_name, "uid": node["metadata"]["uid"]}
    owners = metadata.get("ownerReferences") or []
    if seen.facts.minor >= OWNED and not any(owner.items() <= each.items() for each in owners):
        yield Violation(want=f"an owner {owner}", got=f"{owners}", about=name)


@judges("N-POD-18", reads=agent_static)
def test_a_new_file_is_a_new_pod(seen: AgentSeen) -> Iterator[Violation]:
    written, window, story = seen.mark("file written").at, seen.timing.manifest_read(), _mirror(seen, "more")
    runs = next((event.at for event in story.events if pods.phase(event.after) == "Running"), None)
    if runs is None or runs - written not in window:
        got = "never" if runs is None else f"{runs - written:.1f} s"
        yield Violation(want=f"a mirror that runs {window}", got=got, at=written, about=story.name)


@judges("N-POD-18", reads=agent_static)
def test_a_deleted_mirror_comes_back(seen: AgentSeen) -> Iterator[Violation]:
    old, story = _shown(seen), _mirror(seen, "web")
    at, again = seen.mark("mirror deleted").at, seen.mark("mirrored again").facts["mirror"]
    if again is None or again["metadata"]["uid"] == old["metadata"]["uid"]:
        got = "none" if again is None else "the same one"
        yield Violation(want="another mirror", got=got, at=at, about=story.name)
        return
    ids = [[each.get("containerID") for each in pods.containers(mirror)] for mirror in (old, again)]
    if ids[0] != ids[1]:
        want = f"the same containers as before, {ids[0]}: the mirror is only a picture"
        yield Violation(want=want, got=f"{ids[1]}", at=at, about=story.name)


@judges("N-POD-18", reads=agent_static)
def test_a_mirror_goes_with_its_file(seen: AgentSeen) -> Iterator[Violation]:
    _shown(seen)
    removed, window, story = seen.mark("file removed").at, seen.timing.manifest_read(), _mirror(seen, "web")
    gone = next((event.at for event in story.since(removed).events if event.after is None), None)
    if gone is None or gone - removed not in window:
        got = "never" if gone is None else f"{gone - removed:.1f} s"
        yield Violation(want=f"the mirror removed {window}", got=got, at=removed, about=story.name)
    asked = [x for x in pods.all_removals(seen) if pods.pod_name(x) == story.name and x.sent >= removed]
    if gone is not None and not any(pods.delete_options(x).get("gracePeriodSeconds") == 0 for x in asked):
        yield Violation(want="a DELETE with gracePeriodSeconds 0", got=f"{len(asked)} DELETEs", about=story.name)
