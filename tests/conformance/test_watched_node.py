"""A node of a running cluster is looked at; whatever would disturb it is unsupported."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from conformance.driver import AgentConnection
from conformance.runner.run import run
from conformance.target import TargetError
from conformance.verdict import Unsupported, Verdict
from fixtures.agents import cluster
from fixtures.reference_agent import ReferenceAgentTarget

READY = {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.30.1"}}
NODES = [
    {"metadata": {"name": "down"}, "status": {**READY, "conditions": [{"type": "Ready", "status": "Unknown"}]}},
    {"metadata": {"name": "up"}, "status": READY},
]


class OnlyWatched(ReferenceAgentTarget):
    """A reference kubelet of which nobody says how it can be started."""

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncIterator[AgentConnection]:
        async with super().open(seed) as connection:
            facts = attrs.evolve(connection.facts, abilities=frozenset({"only_watched", "has_lease"}))
            yield attrs.evolve(connection, facts=facts)


def test_what_needs_more_than_looking_is_unsupported() -> None:
    report = run(OnlyWatched(), ["N-LSE-04", "N-LSE-07", "N-CND-05"], side="node", seed=1)
    by_case = {result.case.rpartition("::")[2]: result.verdict for result in report.results}
    seen = {name for name, verdict in by_case.items() if verdict is Verdict.PASS}
    assert seen == {"test_the_lease_is_seen_to_be_renewed_in_time", "test_transitions_are_seen_only_with_changes"}
    assert {verdict for name, verdict in by_case.items() if name not in seen} == {Verdict.UNSUPPORTED}


def test_a_node_says_itself_what_it_is() -> None:
    facts = cluster.facts(NODES[1])
    assert (facts.node, facts.version, facts.minor) == ("up", "v1.30.1", 30)
    strange = {"metadata": {"name": "n"}, "status": {"nodeInfo": {"kubeletVersion": "edge"}}}
    with pytest.raises(TargetError, match="'edge' is no version"):
        cluster.facts(strange)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(
        "{current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}],"
        " clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]}"
    )
    return path


@pytest.mark.parametrize(("named", "found"), [("", "up"), ("down", "down")])
def test_the_node_is_the_named_one_or_one_that_is_ready(kubeconfig: Path, named: str, found: str) -> None:
    target = cluster.ClusterAgentTarget(kubeconfig, None, named, {})
    assert target._found(NODES)["metadata"]["name"] == found


def test_a_node_that_is_not_there_is_told(kubeconfig: Path) -> None:
    target = cluster.ClusterAgentTarget(kubeconfig, None, "nowhere", {})
    with pytest.raises(TargetError, match="no node nowhere"):
        target._found(NODES)


async def test_nobody_stops_a_watched_agent() -> None:
    with pytest.raises(Unsupported, match="only looked at"):
        await cluster.Watched().stop()
