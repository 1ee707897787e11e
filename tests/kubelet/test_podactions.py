"""What to start and what to kill next, as properties of every pod in every state."""

from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.kubelet import resources
from refimpl.kubelet.era import ERAS
from refimpl.kubelet.pods import podactions, podstatus
from refimpl.kubelet.pods.podactions import Probed
from refimpl.kubelet.pods.podstatus import Ending, Observed
from refimpl.kubelet.runtime.base import Container, Sandbox
from refimpl.kubelet.runtime.script import Program, Step, program

WHEN = datetime(2018, 7, 2, tzinfo=UTC)
STATES = st.sampled_from(["none", "running", "done", "failed"])


def run_of(name, state, attempt=0):
    ended = None if state == "running" else WHEN
    return Container(
        id=f"id-{name}-{attempt}",
        pod_uid="u",
        name=name,
        attempt=attempt,
        image="x",
        state="running" if state == "running" else "exited",
        started_at=WHEN,
        finished_at=ended,
        exit_code=1 if state == "failed" else 0,
    )


@st.composite
def pods(draw):
    policy = draw(st.sampled_from(["Always", "OnFailure", "Never"]))
    inits = [
        {"name": f"i{index}", **({"restartPolicy": "Always"} if draw(st.booleans()) else {})}
        for index in range(draw(st.integers(0, 3)))
    ]
    mains = [{"name": f"c{index}"} for index in range(draw(st.integers(1, 3)))]
    pod = {
        "metadata": {"name": "p", "namespace": "d", "uid": "u"},
        "spec": {"restartPolicy": policy, "initContainers": inits, "containers": mains},
    }
    runs = []
    for spec in [*inits, *mains]:
        state = draw(STATES)
        if state != "none":
            runs.append(run_of(spec["name"], state, draw(st.integers(0, 2))))
    sandbox = Sandbox(uid="u", namespace="d", name="p", ips=("10.0.0.9",), containers=tuple(runs))
    unhealthy = {run.id: "Container failed liveness probe" for run in runs if run.running and draw(st.booleans())}
    return pod, sandbox, Probed(unhealthy)


@given(pods())
def test_decisions_about_containers_are_sound(case):
    pod, sandbox, probed = case
    actions = podactions.compute_actions(pod, sandbox, probed)
    spec = pod["spec"]
    mains = {one["name"] for one in spec["containers"]}
    plain = [one["name"] for one in spec["initContainers"] if not resources.is_sidecar(one)]
    started = [start.name for start in actions.starts]
    assert len(started) == len(set(started))
    assert not any((sandbox.latest(name) or run_of(name, "done")).running for name in started)
    assert all(kill.container.running and kill.container.id in probed.unhealthy for kill in actions.kills)
    has_run = any(sandbox.latest(name) for name in mains)
    if mains & set(started) and not has_run:
        assert all((run := sandbox.latest(name)) and not run.running and run.exit_code == 0 for name in plain)
    assert len([name for name in started if name in plain]) <= 1
    for start in actions.starts:
        known = sandbox.latest(start.name)
        assert start.attempt == (known.attempt + 1 if known else 0)
    if actions.ends:
        assert not mains & set(started)
        assert not any(sandbox.latest(name) and sandbox.latest(name).running for name in mains) or not has_run


@given(pods())
def test_a_finished_container_starts_again_only_as_its_policy_says(case):
    pod, sandbox, probed = case
    policy = pod["spec"]["restartPolicy"]
    for start in podactions.compute_actions(pod, sandbox, probed).starts:
        if start.previous is not None and not resources.is_sidecar(start.spec):
            assert policy != "Never"
            assert policy == "Always" or start.previous.exit_code != 0


@given(pods(), st.booleans(), st.booleans(), st.sampled_from(list(ERAS)))
def test_statuses_are_sound_in_every_state(case, over, deleting, era):
    pod, sandbox, _ = case
    if deleting:
        pod["metadata"]["deletionTimestamp"] = "2018-07-02T02:11:27Z"
    if over:
        ended = tuple(attrs.evolve(run, state="exited", finished_at=WHEN) for run in sandbox.containers)
        sandbox = attrs.evolve(sandbox, containers=ended)
    observed = Observed(
        sandbox=sandbox,
        previous={},
        scheme="x",
        host_ips=("10.0.0.1",),
        ending=Ending("Evicted", "why") if over else None,
        over=over,
    )
    status = podstatus.pod_status(pod, observed, ERAS[era])
    names = [entry["name"] for entry in status["containerStatuses"]]
    assert names == sorted(one["name"] for one in pod["spec"]["containers"])
    assert all(len(entry["state"]) == 1 for entry in status["containerStatuses"])
    conditions = {entry["type"]: entry for entry in status["conditions"]}
    running = [entry for entry in status["containerStatuses"] if "running" in entry["state"]]
    if over:
        assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    if status["phase"] in {"Succeeded", "Failed"}:
        assert not running
        assert conditions["Ready"]["status"] == "False"
    if conditions["Ready"]["status"] == "True":
        assert len(running) == len(names)
        assert "reason" not in conditions["Ready"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ([], Program(on_term=0)),
        (["sleep", "5"], Program((Step("sleep", "5"),))),
        (["sh", "-c", "sleep 2; exit 1"], Program((Step("sleep", "2"), Step("exit", "1")))),
        (["/bin/sh", "-c", "true && echo a b"], Program((Step("echo", "a b"),))),
        (["bash", "-ec", "while true; do sleep 1; done"], Program((), (Step("sleep", "1"),))),
        (["sh", "-c", "trap '' TERM\nsleep 9"], Program((Step("trap", ""), Step("sleep", "9")))),
        (["sh", "-c", "trap 'exit 7' TERM; sleep 9"], Program((Step("trap", "7"), Step("sleep", "9")))),
        (["sh", "-c", "trap 'echo bye; exit' TERM; sleep 9"], Program((Step("trap", "0"), Step("sleep", "9")))),
        (["true"], Program(())),
        (["nginx", "-g", "daemon off;"], Program((Step("wait"),))),
        (["sh", "-c", "broken 'quote"], Program((Step("wait"),))),
    ],
)
def test_the_commands_a_simulated_container_knows(command, expected):
    assert program(command) == expected
