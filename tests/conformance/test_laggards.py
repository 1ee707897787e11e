"""However late the parts of a good master or node hear of each other, nothing of it is held against them."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import pytest

from conformance.runner.run import run
from conformance.scenario import MASTER, NODE
from conformance.verdict import Verdict
from fixtures.reference import ReferenceTarget
from fixtures.reference_agent import ReferenceAgentTarget
from refimpl.controllers.node_lifecycle.controller import NodeLifecycleController
from tests.conformance.laggards import laggards


@pytest.mark.parametrize("seed", [12, 212])
def test_a_whole_run_against_a_sluggish_master_is_green(seed: int):
    with laggards(seed):
        report = run(ReferenceTarget(), seed=seed, side=MASTER)
    assert [result.explanation for result in report.results if result.verdict is not Verdict.PASS] == []
    assert report.left_behind == ()


@pytest.mark.parametrize("seed", [3, 7])
def test_a_whole_run_of_a_sluggish_agent_is_green(seed: int):
    with laggards(seed):
        report = run(ReferenceAgentTarget({}), seed=seed, side=NODE)
    fine = (Verdict.PASS, Verdict.UNSUPPORTED)
    assert [result.explanation for result in report.results if result.verdict not in fine] == []


def test_a_node_says_again_what_a_master_wrote_over_before_it_knew_better():
    """A pod that comes to a node just when that gets ready may be marked not ready; kubelets put that right."""

    async def mark(self: NodeLifecycleController, key: tuple[str, str]) -> None:
        await asyncio.sleep(1)
        pod = self._pods.get(key[1], key[0])
        await self._writer.mark_pods_not_ready([pod] if pod else [])

    with patch.object(NodeLifecycleController, "_reconcile_pod", mark):
        report = run(ReferenceTarget(), ["M-DS-10"], seed=1)
    assert [result.explanation for result in report.results if result.verdict is not Verdict.PASS] == []
