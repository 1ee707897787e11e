"""Containers that end, crash, initialize, answer probes or cannot be started, on an agent's node."""

from __future__ import annotations

from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import NO_IMAGE, pause, shell
from conformance.judge import agent_pods as pods
from conformance.judge.conditions import status
from conformance.judge.pods import TERMINAL
from conformance.kinds import EVENT, LEASE, NODE, POD
from conformance.scenario import agent_scenario

BAD_NAME = "Capitals/NoImage"
DEADLINE = 20
CODE = 3
RESTARTS = 3
"""Enough to see a restart at once and two after a pause."""
READY_AFTER, READY_FOR, LIVE_FOR = 4, 6, 5


def _probe(path: str, failures: int) -> dict[str, Any]:
    command = {"exec": {"command": ["cat", path]}}
    return {**command, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": failures}


READY = f"sleep {READY_AFTER}; touch ready; sleep {READY_FOR}; rm ready; sleep {READY_FOR}; touch ready; sleep 100000"
FLICKER = f"touch live; sleep {LIVE_FOR}; rm live; sleep 3; touch live; sleep 100000"
"""Too short for three probes in a row to fail."""
LIVE = f"touch live; sleep {LIVE_FOR}; rm live; sleep 100000"
PODS: dict[str, dict[str, Any]] = {
    "ok-never": {"containers": [shell("exit 0")], "restartPolicy": "Never"},
    "bad-never": {
        "containers": [shell(f"exit {CODE}", "bad"), shell("sleep 5; exit 0", "good")],
        "restartPolicy": "Never",
    },
    "ok-onfailure": {"containers": [shell("exit 0")], "restartPolicy": "OnFailure"},
    "bad-onfailure": {"containers": [shell("sleep 1; exit 1")], "restartPolicy": "OnFailure"},
    "always": {"containers": [shell("exit 0")]},
    "crashing": {"containers": [shell(f"sleep 1; exit {CODE}")]},
    "initialized": {
        "initContainers": [shell("sleep 2", "z-first"), shell("sleep 2", "a-second")],
        "containers": [pause("app")],
    },
    "init-bad": {
        "initContainers": [shell("exit 1", "first")],
        "containers": [pause("app")],
        "restartPolicy": "Never",
    },
    "ready": {"containers": [shell(READY, readinessProbe=_probe("ready", 1))]},
    "half-ready": {"containers": [pause("fine"), shell("sleep 100000", "never", readinessProbe=_probe("none", 1))]},
    "live": {
        "containers": [shell(LIVE, livenessProbe={**_probe("live", 2), "initialDelaySeconds": 1})],
        "terminationGracePeriodSeconds": 1,
    },
    "flickering": {
        "containers": [
            shell(FLICKER, livenessProbe={**_probe("live", 3), "periodSeconds": 2, "initialDelaySeconds": 1})
        ],
        "terminationGracePeriodSeconds": 1,
    },
    "late": {"containers": [pause()], "activeDeadlineSeconds": DEADLINE},
    "no-image": {"containers": [pause(image=NO_IMAGE)]},
    "never-pulled": {"containers": [pause(image=NO_IMAGE, imagePullPolicy="Never")]},
    "misnamed": {"containers": [pause(image=BAD_NAME)]},
}
ENDING = ("ok-never", "bad-never", "ok-onfailure", "init-bad", "late")
RESTARTING = ("bad-onfailure", "always", "crashing")


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + timing.pod_running(len(PODS)).latest + _patience(timing) + timing.registered().latest


def _patience(timing: AgentTiming) -> float:
    crashes = sum(timing.restarted(number).latest for number in range(1, RESTARTS + 1))
    probes = READY_AFTER + 2 * READY_FOR + timing.pod_acknowledged(len(PODS)).latest
    return max(crashes, probes)


@agent_scenario(watches=(NODE, LEASE, POD, EVENT), abilities=("runs_containers",), longest=_longest)
async def agent_containers(stage: AgentStage) -> None:
    """Sixteen pods live their lives; when all is seen the agent is restarted."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    stage.mark("pods bound")
    for role, spec in PODS.items():
        await stage.pod(role, spec)
    within = timing.pod_running(len(PODS)).latest + _patience(timing)
    await stage.until(lambda: _over(stage), within=within)
    stage.mark("lives over")
    await stage.stop()
    await stage.restart()
    await stage.hold(timing.registered().latest)


def _over(stage: AgentStage) -> bool:
    """Whether everything was seen that the cases are about."""
    return (
        all(stage.phase(role) in TERMINAL for role in ENDING)
        and all(_restarted(stage, role) >= RESTARTS for role in RESTARTING)
        and _restarted(stage, "live") >= 1
        and stage.phase("initialized") == "Running"
        and stage.phase("half-ready") == "Running"
        and _turned_back(stage)
        and _gave_up(stage)
    )


def _restarted(stage: AgentStage, role: str) -> int:
    listed = pods.containers(stage.pod_state(role))
    return max((int(each.get("restartCount") or 0) for each in listed), default=0)


def _turned_back(stage: AgentStage) -> bool:
    """Whether a pod has been ready, unready and ready again."""
    story = stage.story(POD, stage.naming.name("ready"))
    turns: list[str | None] = [None]
    for event in story.events:
        if status(event.after, "Ready") != turns[-1]:
            turns.append(status(event.after, "Ready"))
    return turns[-3:] == ["True", "False", "True"]


def _gave_up(stage: AgentStage) -> bool:
    """Whether an image that cannot be pulled has been given up for a while."""
    listed = pods.containers(stage.pod_state("no-image"))
    return any(pods.waiting(each).get("reason") == "ImagePullBackOff" for each in listed)
