"""Whole masters that are wrong: an honest report that is never green, blames the right ones, and comes to an end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from conformance import catalogue
from conformance.collect import collect
from conformance.report.results import Report
from conformance.runner.run import run
from conformance.target import TargetError
from conformance.verdict import Verdict
from fixtures.inprocess import InProcessWire
from fixtures.reference import ReferenceTarget
from refimpl.api.http import Request, Response
from refimpl.cluster import Cluster, ClusterConfig
from refimpl.controllers.initializers import ControllerManagerConfig

PLAYED = {"silence", "registration", "transitions", "feasibility", "daemons", "services", "transfer", "object-rules"}
"""Scenarios of every subject: what nodes, pods, workloads, Services and the scheduler do, and the API itself."""
ENTRIES = [entry for entry in collect() if entry.case.scenario.name in PLAYED]
BOOK = catalogue.load()

Handler = Callable[[Request], Awaitable[Response]]


def without(*controllers: str) -> ClusterConfig:
    names = ("*", *(f"-{name}" for name in controllers))
    return ClusterConfig(controllers=ControllerManagerConfig(controllers=names))


def judged(target: ReferenceTarget) -> Report:
    report = run(target, entries=ENTRIES)
    assert report.exit_code() != 0
    assert report.left_behind == ()
    return report


def groups(report: Report, *verdicts: Verdict) -> set[str]:
    """The groups of requirements with one of these verdicts, such as `M-NR`."""
    found = (i for result in report.results if result.verdict in verdicts for i in result.ids)
    return {name.rpartition("-")[0] for name in found}


def reasons(report: Report, verdict: Verdict) -> set[str]:
    return {result.judgement.findings[0].got for result in report.results if result.verdict is verdict}


def test_the_reference_itself_is_right():
    assert run(ReferenceTarget(), entries=ENTRIES).counts() == {Verdict.PASS: len(ENTRIES)}


def test_without_a_node_lifecycle_controller_silence_goes_unnoticed_and_nobody_else_is_blamed():
    report = judged(ReferenceTarget(config=without("node-lifecycle-controller")))
    assert report.exit_code() == 1
    assert "M-HB-03" in report.failed()
    assert groups(report, Verdict.FAIL, Verdict.WARNING) <= {"M-HB", "M-NR", "M-REG", "M-TAINT", "M-RDY"}
    assert Verdict.SUITE_ERROR not in report.counts()
    assert any("no pod can be scheduled" in reason for reason in reasons(report, Verdict.NOT_EXERCISED))
    assert "M-API" in groups(report, Verdict.PASS)


def test_without_a_scheduler_what_needs_one_is_unsupported_and_the_rest_is_judged():
    report = judged(ReferenceTarget(config=ClusterConfig(scheduler=None)))
    assert report.exit_code() == 6
    assert report.failed() == frozenset()
    unsupported = {i for r in report.results if r.verdict is Verdict.UNSUPPORTED for i in r.ids}
    assert {BOOK[i].profile for i in unsupported} == {"scheduler"}
    assert any("no sign of a scheduler" in reason for reason in reasons(report, Verdict.UNSUPPORTED))
    assert [line for line in report.undeclared if "--without scheduler" in line]
    assert {"M-HB", "M-NR", "M-TAINT", "M-REG"} <= groups(report, Verdict.PASS)


def test_without_workload_controllers_their_workloads_are_unsupported():
    report = judged(ReferenceTarget(config=without("replicationcontroller-controller", "daemonset-controller")))
    assert {"M-DS"} <= groups(report, Verdict.UNSUPPORTED)
    assert "M-DS" not in groups(report, Verdict.FAIL, Verdict.WARNING, Verdict.PASS)
    assert "M-SCHED" in groups(report, Verdict.PASS)


def test_an_api_server_alone_fails_where_nodes_are_lost():
    report = run(ReferenceTarget(config=ClusterConfig(controllers=None, scheduler=None)), entries=ENTRIES)
    assert report.exit_code() == 1
    assert "M-HB-03" in report.failed()
    assert len(report.undeclared) == 4
    assert groups(report, Verdict.PASS) >= {"M-API"}
    assert "Namespace" in report.left_behind[0]  # nobody finalizes it


async def yes(request: Request) -> Response:
    return Response(200, b"{}", (("content-type", "application/json"),))


def knowing(other: Handler) -> Callable[[Cluster], InProcessWire]:
    """A master that knows the first questions of any client, and answers all others in its own way."""

    def wire(cluster: Cluster) -> InProcessWire:
        async def handle(request: Request) -> Response:
            first = request.path in ("/version", "/api/v1") or request.path.startswith("/apis")
            discovery = request.method == "GET" and first and request.path.count("/") <= 3
            return await (cluster.server.handle if discovery else other)(request)

        return InProcessWire(handle)

    return wire


@pytest.mark.parametrize("wire", [lambda cluster: InProcessWire(yes), knowing(yes)], ids=["always", "almost always"])
def test_one_that_says_yes_to_everything_is_not_taken_for_a_master(wire: Callable[[Cluster], InProcessWire]):
    with pytest.raises(TargetError, match=r"is not a Kubernetes API: GET \S+ was answered 200"):
        run(ReferenceTarget(wire=wire), entries=ENTRIES)


def writes_answered(answer: Callable[[Request], Response]) -> Callable[[Cluster], InProcessWire]:
    """A master that reads as it should, and writes nothing."""

    def wire(cluster: Cluster) -> InProcessWire:
        async def handle(request: Request) -> Response:
            return await cluster.server.handle(request) if request.method == "GET" else answer(request)

        return InProcessWire(handle)

    return wire


def forbidden(request: Request) -> Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
    return Response(403, json.dumps({**body, "message": "read only"}).encode())


def echo(request: Request) -> Response:
    return Response(201, request.body)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            forbidden,
            "the run's namespace could not be made: POST /api/v1/namespaces was answered 403 Forbidden: read only",
        ),
        (lambda request: Response(200, b"{}"), "POST /api/v1/namespaces was answered 200: that is no object: {}"),
        (echo, "POST /api/v1/namespaces was answered 200: that is no object: {'apiVersion': 'v1', 'kind'"),
    ],
    ids=["forbidden", "empty", "echo"],
)
def test_one_that_writes_nothing_leaves_everything_unjudged_and_says_why(
    answer: Callable[[Request], Response], reason: str
):
    report = judged(ReferenceTarget(wire=writes_answered(answer)))
    assert set(report.counts()) == {Verdict.SUITE_ERROR}
    assert report.exit_code() == 7
    (said,) = reasons(report, Verdict.SUITE_ERROR)
    assert reason in said
    assert "Traceback" not in report.results[0].explanation
