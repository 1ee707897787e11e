"""The row of a pod: what its `Status`, `Ready` and `Restarts` columns say."""

from __future__ import annotations

import pytest

from refimpl.api.errors import Object
from refimpl.apiserver.kinds.pods import columns

RUNNING = {"running": {}}


def status(name: str = "c", *, ready: bool = False, restarts: int = 0, **state: object) -> Object:
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


def ended(code: int = 0, reason: str = "", signal: int = 0) -> Object:
    return {"exitCode": code, **({"reason": reason} if reason else {}), **({"signal": signal} if signal else {})}


def shown(spec: Object | None = None, metadata: Object | None = None, **pod_status: object) -> tuple[str, str, int]:
    pod = {
        "metadata": {"name": "p", **(metadata or {})},
        "spec": {"containers": [{"name": "c"}], **(spec or {})},
        "status": {"phase": "Pending", **pod_status},
    }
    summary = columns.summarize(pod)
    return columns.ready(pod, None), summary.reason, summary.restarts  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("states", "row"),
    [
        ([], ("0/1", "Pending", 0)),
        ([status(ready=True, restarts=3, **RUNNING)], ("1/1", "Pending", 3)),
        ([status(waiting={"reason": "CrashLoopBackOff"}, restarts=5)], ("0/1", "CrashLoopBackOff", 5)),
        ([status(terminated=ended(reason="Completed"))], ("0/1", "Completed", 0)),
        ([status(terminated=ended(3))], ("0/1", "ExitCode:3", 0)),
        ([status(terminated=ended(3, signal=9))], ("0/1", "Signal:9", 0)),
    ],
)
def test_containers_speak_for_the_pod(states: list[Object], row: tuple[str, str, int]) -> None:
    assert shown(containerStatuses=states) == row


def test_the_pods_own_reason_comes_before_its_phase() -> None:
    assert shown(phase="Failed", reason="Evicted")[1] == "Evicted"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (status("i", terminated=ended(2)), "Init:ExitCode:2"),
        (status("i", terminated=ended(2, "Error")), "Init:Error"),
        (status("i", waiting={"reason": "CrashLoopBackOff"}), "Init:CrashLoopBackOff"),
        (status("i", waiting={"reason": "PodInitializing"}), "Init:0/2"),
        (status("i", **RUNNING), "Init:0/2"),
    ],
)
def test_the_first_init_container_in_the_way_speaks(first: Object, reason: str) -> None:
    spec = {"initContainers": [{"name": "i"}, {"name": "j"}]}
    assert shown(spec, initContainerStatuses=[first, status("j")])[1] == reason


def test_finished_init_containers_are_passed_over() -> None:
    spec = {"initContainers": [{"name": "i"}, {"name": "j"}]}
    done = [status("i", terminated=ended(), restarts=1), status("j", **RUNNING, restarts=2)]
    assert shown(spec, initContainerStatuses=done) == ("0/1", "Init:1/2", 3)


def test_sidecars_count_as_containers() -> None:
    spec = {"initContainers": [{"name": "s", "restartPolicy": "Always"}]}
    sidecar = {**status("s", ready=True, restarts=2, **RUNNING), "started": True}
    row = shown(
        spec, phase="Running", initContainerStatuses=[sidecar], containerStatuses=[status(ready=True, **RUNNING)]
    )
    assert row == ("2/2", "Running", 2)


def test_a_running_container_hides_a_completed_one() -> None:
    spec = {"containers": [{"name": "c"}, {"name": "d"}]}
    states = [status("c", terminated=ended(reason="Completed")), status("d", ready=True, **RUNNING)]
    assert shown(spec, containerStatuses=states)[1] == "NotReady"
    ready = [{"type": "Ready", "status": "True"}]
    assert shown(spec, containerStatuses=states, conditions=ready)[1] == "Running"


@pytest.mark.parametrize(
    ("pod_status", "reason"),
    [
        ({"phase": "Running"}, "Terminating"),
        ({"phase": "Running", "reason": "NodeLost"}, "Unknown"),
        ({"phase": "Failed"}, "Failed"),
    ],
)
def test_deletion_speaks_last(pod_status: Object, reason: str) -> None:
    assert shown(metadata={"deletionTimestamp": "2018-01-01T00:00:00Z"}, **pod_status)[1] == reason


def test_a_gated_pod_says_so() -> None:
    gated = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    assert shown(conditions=gated)[1] == "SchedulingGated"


async def test_restarts_tell_how_long_ago(clock) -> None:
    last = {"terminated": {"exitCode": 1, "finishedAt": "2018-07-02T02:06:27Z"}}
    pod = {
        "metadata": {},
        "spec": {"containers": []},
        "status": {"containerStatuses": [{**status(restarts=3), "lastState": last}]},
    }
    assert columns.restarts(pod, clock) == "3 (5m ago)"


@pytest.mark.parametrize(("phase", "marked"), [("Succeeded", True), ("Failed", True), ("Running", False)])
def test_rows_of_finished_pods_are_marked(phase: str, marked: bool) -> None:
    conditions = columns.row_conditions({"status": {"phase": phase}})
    assert [condition["reason"] for condition in conditions] == ([phase] if marked else [])
