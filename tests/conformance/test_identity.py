"""Cases on agents' identity say what they need, and do not mistake a locked door for a guarded one."""

from __future__ import annotations

from unittest.mock import patch

from conformance import catalogue
from conformance.collect import collect
from conformance.record.history import Exchange
from conformance.report.explain import as_curl
from conformance.report.results import Result
from conformance.runner.run import run
from conformance.scenario import MASTER
from conformance.verdict import Verdict
from fixtures.reference import ReferenceTarget
from refimpl.apiserver.authorization import decisions
from refimpl.apiserver.authorization.node import NodeAuthorizer, refused
from refimpl.cluster import ClusterConfig

IDS = ["M-AUTH-01", "M-AUTH-02", "M-AUTH-03"]


def results(config: ClusterConfig | None = None) -> list[Result]:
    entries = tuple(collect())
    report = run(ReferenceTarget(config=config), IDS, seed=1, side=MASTER, entries=entries, book=catalogue.load())
    return list(report.results)


def test_a_master_that_does_not_tell_agents_apart_supports_none_of_it() -> None:
    assert {result.verdict for result in results(ClusterConfig())} == {Verdict.UNSUPPORTED}


def test_whoever_may_not_speak_for_agents_judges_none_of_it() -> None:
    asked = decisions.privileged

    def nobody(attributes):
        return None if attributes.verb == "impersonate" else asked(attributes)

    def no_opinion(self, wanted):
        return None

    with (
        patch("refimpl.apiserver.authorization.modes.privileged", nobody),
        patch("refimpl.apiserver.authorization.rbac.Rbac.__call__", no_opinion),
    ):
        found = results(ClusterConfig(controllers=None, scheduler=None, authorization=("Node", "RBAC")))
    assert {result.verdict for result in found} == {Verdict.UNSUPPORTED}
    assert "may not impersonate users" in found[0].judgement.findings[0].got


def test_refusing_everything_proves_nothing() -> None:
    with patch.object(NodeAuthorizer, "__call__", lambda self, wanted: refused()):
        found = results()
    verdicts = {result.case.rpartition("::")[2]: result.verdict for result in found}
    assert verdicts["test_an_agent_writes_its_own_node"] is Verdict.WARNING
    assert verdicts["test_an_agent_leaves_other_nodes_alone"] is Verdict.NOT_EXERCISED
    assert Verdict.PASS not in verdicts.values()


def test_a_request_in_somebodys_name_is_shown_as_that() -> None:
    headers = {"Content-Type": "application/json", "Impersonate-User": "system:node:n"}
    exchange = Exchange(
        sent=0.0,
        answered=0.0,
        who="suite",
        method="POST",
        path="/api/v1/nodes",
        status=403,
        request="{}",
        response="",
        headers=headers,
    )
    shown = as_curl(exchange, "", "https://h")
    assert shown.startswith("curl -X POST -H 'Impersonate-User: system:node:n' -H 'Content-Type: application/json'")
