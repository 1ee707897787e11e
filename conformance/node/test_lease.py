"""An agent keeps its Lease fresh."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from conformance.drive.scenarios.node.deleted import agent_deleted
from conformance.drive.scenarios.node.lease_trouble import NOTE, agent_lease_trouble
from conformance.drive.scenarios.node.refused import agent_refused
from conformance.drive.scenarios.node.start import agent_start
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen, sent_body
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

ASSERTED = 36
"""Minor version from which a renewal puts the duration right as well."""
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@judges("N-LSE-01", reads=agent_start)
def test_there_is_a_lease(seen: AgentSeen) -> None:
    seen.needs("has_lease")
    node = next(iter(seen.node.events), None)
    if node is None:
        raise NotExercised("there is no Node", about=seen.node_name)
    window = seen.timing.lease_created()
    made = [event for event in seen.lease.events if event.namespace == "kube-node-lease"]
    if not made or made[0].at - node.at > window.latest:
        raise Violation(
            want=f"a Lease {seen.node_name} in kube-node-lease {window} after the Node",
            got=f"{made[0].at - node.at:.2f} s" if made else "none",
            at=node.at,
            about=seen.node_name,
        )


@judges("N-LSE-02", reads=agent_start)
def test_the_lease_says_who_holds_it_and_for_how_long(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    spec = wire.new_lease(seen).get("spec") or {}
    want = {"holderIdentity": seen.node_name, "leaseDurationSeconds": seen.timing.node_lease_duration_seconds}
    for field, value in want.items():
        if spec.get(field) != value:
            yield Violation(want=f"{field} {value}", got=f"{spec.get(field)}", about=seen.node_name)
    if not MICRO_TIME.fullmatch(str(spec.get("renewTime"))):
        yield Violation(want="renewTime with microseconds", got=f"{spec.get('renewTime')}", about=seen.node_name)
    for field in ("acquireTime", "leaseTransitions"):
        if spec.get(field) is not None:
            yield Violation(want=f"no {field}", got=f"{spec[field]}", about=seen.node_name)


@judges("N-LSE-03", reads=agent_start)
def test_the_node_owns_its_lease(seen: AgentSeen) -> None:
    seen.needs("has_lease")
    sent = wire.new_lease(seen)
    node = seen.node.last
    if node is None:
        raise NotExercised("there is no Node", about=seen.node_name)
    want = [{"apiVersion": "v1", "kind": "Node", "name": seen.node_name, "uid": node["metadata"]["uid"]}]
    got = sent["metadata"].get("ownerReferences")
    if got != want:
        raise Violation(want=f"ownerReferences {want}", got=f"{got}", about=seen.node_name)


@judges("N-LSE-04", reads=agent_start)
def test_the_lease_is_renewed_at_a_quarter_of_its_duration(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    renewals = wire.renewals(seen)
    window = seen.timing.renewal()
    if len(renewals) < 3:
        if not seen.lease.events:
            raise NotExercised("the agent never made a Lease", about=seen.node_name)
        raise Violation(want=f"a renewal {window}", got=f"{len(renewals)} renewals", about=seen.node_name)
    for before, after in pairwise(renewals):
        if after.sent - before.sent not in window:
            raise Violation(
                want=f"a renewal {window} after the one before",
                got=f"{after.sent - before.sent:.2f} s",
                at=after.sent,
                about=seen.node_name,
            )
    for each in renewals:
        if each.method != "PUT":
            raise Violation(want="a PUT of the Lease", got=each.method, at=each.sent, about=seen.node_name)
    for event in seen.lease.events:
        if event.before and event.after and _but_renewal(event.before) != _but_renewal(event.after):
            yield Violation(
                want="nothing but renewTime changed", got=f"{event.after['spec']}", at=event.at, about=seen.node_name
            )


def _but_renewal(lease: object) -> object:
    spec = dict(lease["spec"])  # type: ignore[index]
    return {key: value for key, value in spec.items() if key not in ("renewTime", "leaseDurationSeconds")}


@judges("N-LSE-04", reads=agent_lease_trouble)
def test_renewals_keep_what_others_wrote(seen: AgentSeen) -> Iterator[Violation]:
    edited = seen.mark("lease edited").at
    until = seen.mark("lease deleted").at
    if not wire.since(wire.renewals(seen), edited, until):
        raise NotExercised("the edited Lease was not renewed", about=seen.node_name)
    last = seen.lease.state_at(until) or {}
    for field in ("annotations", "labels"):
        got = (last.get("metadata") or {}).get(field) or {}
        if got.get(NOTE) != "kept":
            yield Violation(want=f"the {field} that somebody added", got=f"{got}", at=until, about=seen.node_name)
    duration = (last.get("spec") or {}).get("leaseDurationSeconds")
    if seen.facts.minor >= ASSERTED and duration != seen.timing.node_lease_duration_seconds:
        want = f"leaseDurationSeconds {seen.timing.node_lease_duration_seconds:g} again"
        yield Violation(want=want, got=f"{duration}", at=until, about=seen.node_name)


@judges("N-LSE-03", reads=agent_deleted)
def test_a_new_lease_is_owned_by_the_node_of_now(seen: AgentSeen) -> None:
    seen.needs("has_lease")
    deleted = seen.mark("lease deleted").at
    node = seen.node.state_at(deleted)
    made = next((e.after for e in seen.lease.since(deleted).events if e.before is None and e.after), None)
    if node is None or made is None:
        raise NotExercised("the Lease was not created again for another Node", about=seen.node_name)
    owners = [each.get("uid") for each in made["metadata"].get("ownerReferences") or []]
    if owners != [node["metadata"]["uid"]]:
        want = f"one owner, the Node with uid {node['metadata']['uid']}"
        raise Violation(want=want, got=f"{owners}", at=deleted, about=seen.node_name)


@judges("N-LSE-05", reads=agent_start)
def test_a_renewal_builds_on_the_last_one(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    tries = seen.requests("PUT", seen.lease_path())
    if len(tries) < 2:
        raise NotExercised("the agent did not try to renew the Lease twice", about=seen.node_name)
    for before in wire.lease_writes(seen):
        after = next((x for x in tries if x.sent > before.sent), None)
        if after is None:
            break
        last, based = wire.answered_version(before), (sent_body(after) or {}).get("metadata", {}).get("resourceVersion")
        if last is not None and based != last:
            yield Violation(want=f"resourceVersion {last}", got=f"{based}", at=after.sent, about=seen.node_name)
        for read in wire.since(seen.requests("GET", seen.lease_path()), before.answered, after.sent):
            yield Violation(want="no read between renewals", got="a GET", at=read.sent, about=seen.node_name)


@judges("N-LSE-06", reads=agent_refused)
def test_no_lease_is_created_before_the_node(seen: AgentSeen) -> None:
    seen.needs("has_lease")
    node = next(iter(seen.node.events), None)
    if node is None:
        raise NotExercised("there is no Node", about=seen.node_name)
    healed = seen.mark("master healed").at
    tries = wire.lease_creations(seen)
    early = [x for x in tries if x.sent < healed]
    if early:
        raise Violation(want="no Lease without an owner", got="a POST", at=early[0].sent, about=seen.node_name)
    window = seen.timing.renewal()
    made = next((x for x in tries if x.status == 201), None)
    if made is None or made.answered - node.at > window.latest:
        got = "none" if made is None else f"{made.answered - node.at:.2f} s after it"
        raise Violation(
            want=f"the Lease at most {window.latest:.1f} s after the Node", got=got, at=node.at, about=seen.node_name
        )


@judges("N-LSE-12", reads=agent_start)
def test_renewals_tell_the_time(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    writes, duration = wire.lease_writes(seen), seen.timing.node_lease_duration_seconds
    if not writes:
        raise NotExercised("the agent never made a Lease", about=seen.node_name)
    times = [datetime.fromisoformat(sent_body(x)["spec"]["renewTime"]) for x in writes]
    for each, renewed in zip(writes, times, strict=True):
        skew = abs(seen.history.moment(renewed) - each.sent)
        if skew > seen.timing.clock_skew:
            yield Violation(
                want="renewTime: when it was sent", got=f"{skew:.1f} s off", at=each.sent, about=seen.node_name
            )
    for (before, after), each in zip(pairwise(times), writes[1:], strict=True):
        if after <= before:
            yield Violation(want="a later renewTime", got=f"{after}", at=each.sent, about=seen.node_name)
    for begin, end in pairwise((*(x.sent for x in writes), seen.history.until)):
        if end - begin >= duration:
            yield Violation(
                want=f"a renewal before the {duration:g} s are over",
                got=f"none for {end - begin:.1f} s",
                at=end,
                about=seen.node_name,
            )
