"""A service proxy leads connections to pods that are ready, and asks the master for no more than it needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from conformance.drive.scenarios.node.proxying import BACKENDS, CLIENTS, REFUSED, STAY, proxying
from conformance.drive.scenarios.node.proxying_node import LOCAL, OTHERS, proxying_node
from conformance.judge.agent import AgentSeen
from conformance.record.history import Exchange
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

SELECTED, SLICES = 20, 19
"""Minor versions from which Services of others are left out, and from which EndpointSlices are read."""
INSIDE, ELIGIBLE = 26, 28
"""Minor versions from which traffic from inside stays local, and from which a proxy tells that its node leaves."""
OK, UNAVAILABLE = 200, 503
LEFT_OUT = ("!service.kubernetes.io/headless", "!service.kubernetes.io/service-proxy-name")
CORE = r"/api/v1/(namespaces/[^/]+/)?"
SLICE = r"/apis/discovery.k8s.io/[^/]+/(namespaces/[^/]+/)?endpointslices"
AT_ONCE = 1.0


@judges("N-PRX-01", reads=proxying)
def test_a_proxy_lists_and_watches_what_is_its_business(seen: AgentSeen) -> Iterator[Violation]:
    kinds = {"services": CORE + "services"}
    behind = _reads(seen, SLICE) or _reads(seen, CORE + "endpoints")
    if seen.facts.minor >= SLICES and not _reads(seen, SLICE):
        yield Violation(want="EndpointSlices are listed and watched", got="they were not asked for")
    for name, asked in {"services": _reads(seen, kinds["services"]), "endpoints": behind}.items():
        if not asked or not any("watch" in _query(each) for each in asked):
            yield Violation(want=f"{name} are listed and watched", got=f"{len(asked)} requests, no watch among them")
        for each in asked if seen.facts.minor >= SELECTED else ():
            selector = _query(each).get("labelSelector", "")
            if any(part not in selector.split(",") for part in LEFT_OUT):
                yield Violation(want=f"{name} are asked for with {','.join(LEFT_OUT)}", got=selector or "no selector")
                return


@judges("N-PRX-01", reads=proxying)
def test_a_proxy_writes_nothing_but_events(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("proxy started")
    for each in seen.requests("POST|PUT|PATCH|DELETE", r".*"):
        if not re.search(r"/events(/|$)", each.path.partition("?")[0]):
            yield Violation(want="no writes but those of events", got=f"{each.method} {each.path}")


@judges("N-PRX-01", reads=proxying)
def test_services_of_another_proxy_are_left_alone(seen: AgentSeen) -> Iterator[Violation]:
    _all_ready(seen)
    answers = _answers(seen, "of another proxy")
    if seen.facts.minor >= SELECTED and set(answers) & set(BACKENDS):
        yield Violation(want="a Service with service-proxy-name leads nowhere", got=_told(answers))


@judges("N-PRX-02", reads=proxying)
def test_only_ready_endpoints_get_new_connections(seen: AgentSeen) -> Iterator[Violation]:
    if "one" not in _all_ready(seen):
        raise NotExercised("the endpoint that goes never got a connection")
    answers = _answers(seen, "one ready")
    within = seen.timing.proxied().latest
    if set(answers) != {"two"}:
        yield Violation(want=f"only `two` answers {within:g} s after the others were not ready", got=_told(answers))


@judges("N-PRX-03", reads=proxying)
def test_every_ready_endpoint_gets_some_of_the_connections(seen: AgentSeen) -> Iterator[Violation]:
    answers = _answers(seen, "all ready")
    if set(answers) != set(BACKENDS):
        yield Violation(want=f"{', '.join(BACKENDS)} all answer", got=_told(answers))


@judges("N-PRX-03", reads=proxying)
def test_no_ready_endpoint_gets_much_more_or_less_than_its_share(seen: AgentSeen) -> Iterator[Violation]:
    answers = _answers(seen, "all ready")
    share = len(answers) / len(BACKENDS)
    counted = Counter(answers)
    for name in BACKENDS:
        if not share / 2 <= counted[name] <= share * 1.5:
            yield Violation(want=f"{share / 2:g} to {share * 1.5:g} connections for {name}", got=_told(answers))


@judges("N-PRX-04", reads=proxying)
def test_a_client_stays_with_its_endpoint(seen: AgentSeen) -> Iterator[Violation]:
    for client in CLIENTS:
        answers = _answers(seen, f"first {client}") + _answers(seen, f"again {client}")
        if len(set(answers)) != 1 or answers[0] not in BACKENDS:
            want = f"one endpoint for all connections of {client} within {STAY} s"
            yield Violation(want=want, got=_told(answers))


@judges("N-PRX-04", reads=proxying)
def test_a_client_falls_over_when_its_endpoint_goes(seen: AgentSeen) -> Iterator[Violation]:
    gone = _answers(seen, f"again {CLIENTS[0]}")[-1]
    if gone not in BACKENDS:
        raise NotExercised("the client had no endpoint")
    answers = _answers(seen, "fallen over")
    if len(set(answers)) != 1 or answers[0] in (gone, *({*answers} - {*BACKENDS})):
        yield Violation(want=f"one endpoint other than `{gone}`", got=_told(answers))


@judges("N-PRX-05", reads=proxying)
def test_a_service_without_endpoints_refuses_at_once(seen: AgentSeen) -> Iterator[Violation]:
    _all_ready(seen)
    mark = seen.mark("no endpoints")
    if set(mark.facts["answers"]) != {REFUSED} or mark.facts["longest"] > AT_ONCE:
        got = f"{_told(mark.facts['answers'])}, {mark.facts['longest']:.1f} s at most"
        yield Violation(want=f"connections are refused within {AT_ONCE:g} s", got=got)


@judges("N-PRX-05", reads=proxying)
def test_rules_outlive_the_master_and_catch_up_with_it(seen: AgentSeen) -> Iterator[Violation]:
    _all_ready(seen)
    wanted = {"master away": "two", "master back": "three"}
    for when, name in wanted.items():
        answers = _answers(seen, when)
        if set(answers) != {name}:
            yield Violation(want=f"{when}: only `{name}` answers", got=_told(answers))


@judges("N-X-27", reads=proxying_node)
def test_traffic_stays_on_the_node_where_a_service_wants_it(seen: AgentSeen) -> Iterator[Violation]:
    ways = ("outside", "inside") if seen.facts.minor >= INSIDE else ("outside",)
    for way in ways:
        answers = _answers(seen, f"one here: from {way}")
        if set(answers) != {LOCAL}:
            yield Violation(want=f"from {way}, only `{LOCAL}` of this node answers", got=_told(answers))
        answers = _answers(seen, f"none here: from {way}")
        if set(answers) & set(OTHERS):
            yield Violation(want=f"from {way}, nobody answers when no endpoint is here", got=_told(answers))


@judges("N-X-27", reads=proxying_node)
def test_load_balancers_are_told_where_endpoints_are(seen: AgentSeen) -> Iterator[Violation]:
    for when, want in {"one here": OK, "none here": UNAVAILABLE}.items():
        got = seen.mark(f"{when}: health").facts["status"]
        if got != want:
            yield Violation(want=f"{want} at the health check port, {when}", got=f"{got}")


@judges("N-X-28", reads=proxying_node)
def test_a_proxy_that_keeps_up_is_healthy(seen: AgentSeen) -> Iterator[Violation]:
    for when in ("no node yet", "stays"):
        mark = seen.mark(when)
        for page in ("healthz", "livez") if seen.facts.minor >= ELIGIBLE else ("healthz",):
            if mark.facts[page] != OK:
                yield Violation(want=f"{OK} at /{page}", got=f"{mark.facts[page]}", at=mark.at)


@judges("N-X-28", reads=proxying_node)
def test_a_proxy_tells_that_its_node_leaves(seen: AgentSeen) -> Iterator[Violation]:
    if seen.facts.minor < ELIGIBLE:
        raise Unsupported(f"since 1.{ELIGIBLE}")
    if seen.mark("stays").facts["healthz"] != OK:
        raise NotExercised("the proxy is never healthy")
    for when in ("about to leave", "deleted"):
        mark = seen.mark(when)
        if (mark.facts["healthz"], mark.facts["livez"]) != (UNAVAILABLE, OK):
            got = f"{mark.facts['healthz']} and {mark.facts['livez']}"
            want = f"{UNAVAILABLE} at /healthz and {OK} at /livez of a node that is {when}"
            yield Violation(want=want, got=got, at=mark.at)


@judges("N-X-29", reads=proxying_node)
def test_a_proxy_serves_before_its_node_is_there(seen: AgentSeen) -> Iterator[Violation]:
    answers = _answers(seen, "without a node")
    if not set(answers) & set(BACKENDS):
        yield Violation(want="connections reach endpoints before the node exists", got=_told(answers))


def _all_ready(seen: AgentSeen) -> list[str]:
    """Who answered while all endpoints were ready.

    Raises:
        NotExercised: nobody; then nothing can be said about who does not answer.
    """
    answers = _answers(seen, "all ready")
    if not set(answers) & set(BACKENDS):
        raise NotExercised("no connection ever reached an endpoint")
    return answers


def _answers(seen: AgentSeen, name: str) -> list[str]:
    return list(seen.mark(name).facts["answers"])


def _told(answers: list[str]) -> str:
    return ", ".join(f"{name} {count} times" for name, count in sorted(Counter(answers).items()))


def _reads(seen: AgentSeen, path: str) -> tuple[Exchange, ...]:
    seen.mark("proxy started")
    return seen.requests("GET", path)


def _query(each: Exchange) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(each.path).query).items()}
