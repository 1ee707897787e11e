"""Tests can meddle with any runtime through local control."""

from __future__ import annotations

import pytest

from refimpl.clock import Clock
from refimpl.kubelet.machine.stats import PodUsage
from refimpl.kubelet.runtime.base import RuntimeStatus, RuntimeUnavailable, StartFailure
from refimpl.kubelet.runtime.controlled import ControlledRuntime
from refimpl.kubelet.runtime.simulated import SimulatedRuntime

POD = {
    "metadata": {"uid": "u1", "namespace": "default", "name": "p1"},
    "spec": {"containers": [{"name": "c1", "image": "registry.k8s.io/pause:3.9"}]},
}


@pytest.fixture
async def runtime(clock: Clock) -> ControlledRuntime:
    found = ControlledRuntime(SimulatedRuntime(clock))
    await found.start(lambda _: None)
    await found.run_sandbox(POD, "192.0.2.1")
    await found.start_container(POD, POD["spec"]["containers"][0], 0, {})
    return found


async def test_a_container_ends_with_the_code_that_was_asked_for(runtime: ControlledRuntime) -> None:
    await runtime.end_container("u1", "c1", 9)
    sandbox = runtime.sandbox("u1")
    assert sandbox is not None
    assert [(run.state, run.exit_code) for run in sandbox.containers] == [("exited", 9)]
    assert list(runtime.sandboxes()) == [sandbox]
    with pytest.raises(KeyError):
        await runtime.end_container("u1", "c1", 9)


async def test_a_runtime_that_is_down_answers_nothing(runtime: ControlledRuntime) -> None:
    runtime.set_down(down=True)
    assert runtime.version == "Unknown"
    with pytest.raises(RuntimeUnavailable):
        await runtime.status()
    with pytest.raises(RuntimeUnavailable):
        await runtime.start(lambda _: None)
    with pytest.raises(StartFailure):
        await runtime.run_sandbox(POD, "")
    runtime.set_down(down=False)
    assert await runtime.status() == RuntimeStatus()


async def test_trouble_of_the_network_is_told_until_it_is_over(runtime: ControlledRuntime) -> None:
    runtime.set_status(RuntimeStatus(network_error="none"))
    assert (await runtime.status()).network_error == "none"
    runtime.set_status(RuntimeStatus())
    assert (await runtime.status()).network_error == ""


async def test_usage_is_what_somebody_said_until_the_pod_is_gone(runtime: ControlledRuntime) -> None:
    runtime.set_usage("u1", PodUsage(memory=7))
    assert runtime.usage("u1") == PodUsage(memory=7)
    await runtime.remove_sandbox("u1")
    assert runtime.usage("u1") is None
