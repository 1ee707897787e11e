"""The status heartbeat and the Lease: what is written, when, and what happens when that fails."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.http import Request, Response
from refimpl.api.resources import LEASES, NODES
from refimpl.clock import parse_time
from refimpl.kubelet.era import ERAS
from refimpl.kubelet.node import heartbeat
from refimpl.kubelet.runtime.base import RuntimeUnavailable
from refimpl.kubelet.runtime.simulated import SimulatedRuntime
from tests.kubelet.kubelet_master import Master, make_kubelet, refusing, running, unreachable

STATUS = "/nodes/n1/status"


def gaps(asked):
    times = [one.at for one in asked]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


async def test_an_unchanged_status_is_written_again_only_when_the_report_is_due(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(1500)
    written = gaps(master.asked("PATCH", STATUS))
    assert 150 <= written[0] <= 450 + 10.5
    assert written[1:]
    assert all(300 <= gap <= 300 + 10.5 for gap in written[1:])


async def test_in_1_20_the_report_is_due_exactly_after_its_interval(master: Master):
    async with running(make_kubelet(master, era="1.20")):
        await asyncio.sleep(1000)
    assert [round(gap) for gap in gaps(master.asked("PATCH", STATUS))[1:]] == [300, 300, 300]


async def test_in_1_5_every_tick_puts_the_whole_node(master: Master):
    async with running(make_kubelet(master, era="1.5")):
        await asyncio.sleep(61)
    puts = master.asked("PUT", STATUS)
    assert {round(gap, 3) for gap in gaps(puts)} == {10.0}
    assert len(puts) == 7
    assert puts[-1].body["metadata"]["resourceVersion"]
    assert not master.asked("PATCH", "/nodes")
    assert not master.asked("GET", "/leases")
    assert not master.asked("POST", "/leases")


async def test_a_report_moves_every_heartbeat_to_one_instant_and_no_transition(master: Master):
    async with running(make_kubelet(master, node_status_report_frequency=40.0)):
        await asyncio.sleep(2)
        before = (await master.node())["status"]["conditions"]
        await asyncio.sleep(100)
        after = (await master.node())["status"]["conditions"]
    assert len({condition["lastHeartbeatTime"] for condition in after}) == 1
    assert after[0]["lastHeartbeatTime"] > before[0]["lastHeartbeatTime"]
    assert [c["lastTransitionTime"] for c in after] == [c["lastTransitionTime"] for c in before]


async def test_the_patch_is_minimal_strategic_and_carries_its_timeout(master: Master):
    async with running(make_kubelet(master, node_status_report_frequency=40.0)):
        await asyncio.sleep(100)
    patch = master.asked("PATCH", STATUS)[-1]
    assert patch.headers["content-type"] == "application/strategic-merge-patch+json"
    assert patch.query == {"timeout": "10s"}
    assert set(patch.body) == {"status"}
    assert set(patch.body["status"]) == {"conditions", "$setElementOrder/conditions"}
    assert all(set(change) == {"type", "lastHeartbeatTime"} for change in patch.body["status"]["conditions"])


async def test_foreign_changes_of_capacity_and_conditions_are_undone_within_a_tick(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(30)
        unknown = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "gone"}
        third = {"type": "ThirdParty", "status": "True", "reason": "X", "message": "y"}
        await master.patch_node_status({"capacity": {"memory": "1Gi"}, "conditions": [unknown, third]})
        changed_at = master.clock.now()
        await asyncio.sleep(10.5)
        status = (await master.node())["status"]
    conditions = {condition["type"]: condition for condition in status["conditions"]}
    assert status["capacity"]["memory"] == "8Gi"
    assert conditions["Ready"]["status"] == "True"
    assert conditions["Ready"]["reason"] == "KubeletReady"
    assert parse_time(conditions["Ready"]["lastTransitionTime"]) >= changed_at.replace(microsecond=0)
    assert {key: conditions["ThirdParty"][key] for key in third} == third


async def test_foreign_resources_are_kept_and_can_be_allocated(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(30)
        await master.patch_node_status({"capacity": {"example.com/widget": "7"}})
        await asyncio.sleep(10.5)
        status = (await master.node())["status"]
    assert status["capacity"]["example.com/widget"] == status["allocatable"]["example.com/widget"] == "7"


async def test_a_new_pod_cidr_forces_one_write(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(30)
        before = len(master.asked("PATCH", STATUS))
        await master.client().patch(NODES, "n1", {"spec": {"podCIDR": "10.9.0.0/24", "podCIDRs": ["10.9.0.0/24"]}})
        await asyncio.sleep(30)
        assert len(master.asked("PATCH", STATUS)) == before + 1


async def test_five_tries_a_tick_then_the_next_tick(master: Master):
    kubelet = make_kubelet(master, era="1.20")
    async with running(kubelet):
        await asyncio.sleep(5)
        master.fault = refusing(500, "PATCH", STATUS)
        await asyncio.sleep(27)
        failed = master.asked("PATCH", STATUS, since=5)
        reads = [asked for asked in master.asked("GET", "/nodes/n1", since=5) if "resourceVersion" in asked.query]
        master.fault = None
        await asyncio.sleep(9)
        assert (await master.node())["status"]["conditions"][-1]["status"] == "True"
    assert len(failed) == 15
    assert len({round(asked.at) for asked in failed}) == 3
    assert len(reads) == 3


async def test_a_restart_writes_in_the_first_moment_although_nothing_changed(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(30)
    at = master.clock.monotonic()
    async with running(kubelet):
        await asyncio.sleep(9)
    assert len(master.asked("PATCH", STATUS, since=at)) == 1


async def test_a_killed_kubelet_writes_nothing(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(30)
    asked = len(master.log)
    await asyncio.sleep(600)
    assert len(master.log) == asked
    assert await master.lease()


async def test_the_lease_comes_one_interval_after_the_node_and_has_its_owner(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(1)
        assert not master.asked("POST", "/leases")
        await asyncio.sleep(10.5)
        lease, node = await master.lease(), await master.node()
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": node["metadata"]["uid"]}
    assert lease["metadata"]["ownerReferences"] == [owner]
    assert set(lease["spec"]) == {"holderIdentity", "leaseDurationSeconds", "renewTime"}
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseDurationSeconds"]) == ("n1", 40)
    assert len(lease["spec"]["renewTime"].rpartition(".")[2]) == len("123456Z")


@pytest.mark.parametrize(("era", "jitter"), [("1.20", 0.0), ("1.36", 0.04)])
async def test_the_lease_is_put_every_quarter_without_being_read(master: Master, era, jitter):
    async with running(make_kubelet(master, era=era, node_lease_duration_seconds=8)):
        await asyncio.sleep(60)
    puts = master.asked("PUT", "/leases/n1")
    assert len(puts) >= 25
    assert all(2 <= gap + 1e-6 <= 2 * (1 + jitter) + 1e-3 for gap in gaps(puts))
    assert len(master.asked("GET", "/leases/n1")) == 2
    versions = [put.body["metadata"]["resourceVersion"] for put in puts]
    assert len(set(versions)) == len(versions)
    times = [put.body["spec"]["renewTime"] for put in puts]
    assert times == sorted(set(times))


async def test_a_conflicting_lease_is_read_and_put_again(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(15)
        await master.client().patch(
            LEASES, "n1", {"metadata": {"labels": {"a": "b"}}}, namespace="kube-node-lease", kind="merge"
        )
        await asyncio.sleep(11)
    codes = [asked.code for asked in master.asked("PUT", "/leases/n1")]
    assert codes[:2] == [409, 200]
    assert (await master.lease())["metadata"]["labels"] == {"a": "b"}


async def test_conflicts_without_end_are_tried_ten_times_and_wait_for_the_next_renewal(master: Master):
    async with running(make_kubelet(master, era="1.20")):
        await asyncio.sleep(15)
        master.fault = refusing(409, "PUT", "/leases/n1")
        await asyncio.sleep(10)
    assert len([asked for asked in master.asked("PUT", "/leases/n1") if asked.code == 409]) == 10


async def test_a_deleted_lease_comes_back(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(30)
        await master.client().delete(LEASES, "n1", namespace="kube-node-lease")
        await asyncio.sleep(11.5)
        assert await master.lease()


async def test_the_lease_goes_on_while_the_node_is_not_ready(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(30)
        kubelet.control.set_runtime_down(down=True)
        await asyncio.sleep(60)
        ready = (await master.node())["status"]["conditions"][-1]
        assert (ready["status"], ready["message"]) == ("False", "container runtime is down")
        assert all(gap < 10.5 for gap in gaps(master.asked("PUT", "/leases/n1")))


async def test_after_three_minutes_without_runtime_nobody_watches_containers(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(30)
        kubelet.control.set_runtime_down(down=True)
        await asyncio.sleep(200)
        message = (await master.node())["status"]["conditions"][-1]["message"]
        assert message.startswith("[container runtime is down, PLEG is not healthy: pleg was last seen active 3m")
        assert message.endswith("s ago; threshold is 3m0s]")


async def test_a_runtime_that_is_back_is_noticed_within_five_seconds(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(30)
        kubelet.control.set_runtime_down(down=True)
        await asyncio.sleep(60)
        kubelet.control.set_runtime_down(down=False)
        await asyncio.sleep(5.1)
        assert not kubelet.check.runtime_errors()


async def test_a_node_that_does_not_know_its_storage_is_not_ready_until_it_does(master: Master):
    kubelet = make_kubelet(master)
    kubelet.control.withhold("ephemeral-storage", on=True)
    async with running(kubelet):
        await asyncio.sleep(30)
        status = (await master.node())["status"]
        assert "ephemeral-storage" not in status["capacity"]
        assert status["conditions"][-1]["message"] == "missing node capacity for resources: ephemeral-storage"
        kubelet.control.withhold("ephemeral-storage", on=False)
        await asyncio.sleep(11)
        status = (await master.node())["status"]
        assert (status["conditions"][-1]["status"], "ephemeral-storage" in status["capacity"]) == ("True", True)


async def test_after_an_outage_the_lease_is_renewed_within_seven_seconds(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(30)
        master.fault = unreachable
        await asyncio.sleep(40)
        master.fault = None
        back = master.clock.monotonic()
        await asyncio.sleep(8)
        assert master.asked("PUT", "/leases/n1", since=back)
        assert not master.asked("PATCH", STATUS, since=back)


async def test_a_hanging_master_is_given_up_after_ten_seconds(master: Master):
    async def hang(request: Request) -> Response | None:
        if request.method == "PUT":
            await asyncio.Event().wait()
        return None

    async with running(make_kubelet(master)) as kubelet:
        called = []

        async def reconnect():
            called.append(master.clock.monotonic())

        kubelet.lease._client._reconnect = reconnect
        await asyncio.sleep(30)
        master.fault = hang
        await asyncio.sleep(45)
        master.fault = None
        at = master.clock.monotonic()
        await asyncio.sleep(12)
        assert master.asked("PUT", "/leases/n1", since=at)
        assert called


async def test_answers_that_make_no_sense_are_survived(master: Master):
    answers = [b"", b"<html>", b"[]", b"\xff", b'{"kind":"Status","status":"Failure","code":429}']

    async def nonsense(request: Request) -> Response | None:
        answers.append(answers.pop(0))
        return Response(429 if b"429" in answers[0] else 200, answers[0])

    async with running(make_kubelet(master)) as kubelet:
        await asyncio.sleep(15)
        await master.bind()
        master.fault = nonsense
        await asyncio.sleep(100)
        master.fault = None
        await asyncio.sleep(60)
        assert (await master.pod())["status"]["phase"] == "Running"
        assert len(list(kubelet.runtime.sandboxes())) == 1


async def test_without_a_runtime_the_kubelet_ends_before_it_registers(master: Master):
    runtime = SimulatedRuntime(master.clock)
    runtime.set_down(down=True)
    with pytest.raises(RuntimeUnavailable):
        await make_kubelet(master, runtime=runtime).run()
    assert not master.asked("POST")


@given(st.booleans(), st.none() | st.floats(0, 1e6), st.floats(1, 1e4))
def test_a_change_is_always_written_and_silence_never_lasts_beyond_the_interval(changed, since, interval):
    written = heartbeat.should_write(changed=changed, since_report=since, interval=interval, era=ERAS["1.36"])
    assert written == (changed or since is None or since >= interval)
    assert heartbeat.should_write(changed=changed, since_report=since, interval=interval, era=ERAS["1.5"])


@given(st.floats(0.1, 1e4), st.floats(0, 1))
def test_the_drawn_interval_lies_between_half_and_one_and_a_half(frequency, drawn):
    assert heartbeat.report_interval(frequency, spread=False, drawn=drawn) == frequency
    drawn_interval = heartbeat.report_interval(frequency, spread=True, drawn=drawn)
    assert 0.5 * frequency <= drawn_interval <= 1.5 * frequency
