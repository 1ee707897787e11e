"""The node registers itself, once and patiently, and leaves to the operator what is the operator's."""

import asyncio

import pytest

from refimpl.api.errors import ApiError
from refimpl.api.resources import NODES
from refimpl.kubelet import ConfigError
from refimpl.kubelet.machine.host import SEED_HOST, simulated_host
from tests.kubelet.kubelet_master import Master, make_kubelet, refusing, running, unreachable


async def test_a_new_node_posts_itself_once_with_its_full_status(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(60)
    (post,) = master.asked("POST", "/nodes")
    assert post.code == 201
    status = post.body["status"]
    assert set(status) >= {"capacity", "allocatable", "conditions", "addresses", "nodeInfo", "daemonEndpoints"}
    assert [condition["type"] for condition in status["conditions"]] == [
        "MemoryPressure",
        "DiskPressure",
        "PIDPressure",
        "Ready",
    ]
    assert status["conditions"][-1]["reason"] == "KubeletNotReady"
    assert status["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "10.0.0.1"},
        {"type": "Hostname", "address": "n1"},
    ]


async def test_ready_follows_within_a_second(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(1)
        ready = (await master.node())["status"]["conditions"][-1]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "True", "KubeletReady")
    assert ready["message"] == "kubelet is posting ready status"


async def test_in_1_20_ready_follows_at_the_next_tick(master: Master):
    async with running(make_kubelet(master, era="1.20")):
        await asyncio.sleep(9.5)
        assert (await master.node())["status"]["conditions"][-1]["status"] == "False"
        await asyncio.sleep(1.5)
        assert (await master.node())["status"]["conditions"][-1]["status"] == "True"


async def test_refused_registration_is_tried_for_ever_with_growing_gaps(master: Master):
    master.fault = refusing(503, "POST", "/nodes")
    async with running(make_kubelet(master)):
        await asyncio.sleep(45)
        times = [asked.at for asked in master.asked("POST", "/nodes")]
        master.fault = None
        await asyncio.sleep(7.5)
        assert await master.node()
    gaps = [round(later - earlier, 3) for earlier, later in zip([0.0, *times], times, strict=False)]
    assert gaps[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
    assert set(gaps[7:]) == {7.0}


async def test_an_unreachable_master_at_start_is_waited_for(master: Master):
    master.fault = unreachable
    async with running(make_kubelet(master)) as kubelet:
        await asyncio.sleep(40)
        master.fault = None
        await asyncio.sleep(8)
        assert (await master.node())["metadata"]["name"] == kubelet.name


async def test_an_existing_node_is_adopted_not_replaced(master: Master):
    existing = await master.client().create(NODES, {"metadata": {"name": "n1", "labels": {"foo": "admin"}}})
    async with running(
        make_kubelet(master, node_labels={"foo": "mine", "new": "x"}, register_with_taints=("a=b:NoSchedule",))
    ):
        await asyncio.sleep(30)
        node = await master.node()
    assert node["metadata"]["uid"] == existing["metadata"]["uid"]
    assert len(master.asked("POST", "/nodes")) == 1
    assert not master.asked("DELETE")
    assert node["metadata"]["labels"]["foo"] == "admin"
    assert "new" not in node["metadata"]["labels"]
    assert not any(taint["key"] == "a" for taint in node["spec"].get("taints", []))
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"
    assert not any("spec" in asked.body for asked in master.asked("PATCH", "/nodes"))
    assert all(asked.path.endswith("/status") for asked in master.asked("PATCH", "/nodes"))


async def test_a_restart_restores_default_labels_and_leaves_the_others(master: Master):
    kubelet = make_kubelet(master, era="1.20")
    async with running(kubelet):
        await asyncio.sleep(30)
    await master.client().patch(NODES, "n1", {"metadata": {"labels": {"kubernetes.io/os": "plan9", "mine": "1"}}})
    async with running(kubelet):
        await asyncio.sleep(5)
        labels = (await master.node())["metadata"]["labels"]
    assert labels["kubernetes.io/os"] == "linux"
    assert labels["mine"] == "1"


async def test_a_running_kubelet_of_1_36_repairs_os_and_arch(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(30)
        await master.client().patch(NODES, "n1", {"metadata": {"labels": {"kubernetes.io/os": "plan9"}}})
        await asyncio.sleep(11)
        assert (await master.node())["metadata"]["labels"]["kubernetes.io/os"] == "linux"


async def test_a_deleted_node_is_not_registered_again_until_a_restart(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(30)
        await master.client().delete(NODES, "n1")
        await asyncio.sleep(65)
        assert len(master.asked("POST", "/nodes")) == 1
        with pytest.raises(ApiError):
            await master.node()
        reads = [asked for asked in master.asked("GET", "/nodes/n1", since=30) if asked.query.get("timeout")]
        ticks = len({round(asked.at, 3) for asked in reads})
        assert ticks in {6, 7}
        assert len(reads) == 5 * ticks
    async with running(kubelet):
        await asyncio.sleep(1)
        assert await master.node()


async def test_a_node_recreated_bare_gets_its_status_but_not_its_labels(master: Master):
    async with running(make_kubelet(master, node_labels={"foo": "bar"})):
        await asyncio.sleep(30)
        await master.client().delete(NODES, "n1")
        await asyncio.sleep(12)
        await master.client().create(NODES, {"metadata": {"name": "n1"}})
        await asyncio.sleep(11)
        node = await master.node()
    assert node["status"]["capacity"]["cpu"] == "4"
    assert set(node["metadata"]["labels"]) == {"kubernetes.io/os", "kubernetes.io/arch"}


async def test_register_node_false_waits_for_an_administrator(master: Master):
    async with running(make_kubelet(master, register_node=False)):
        await asyncio.sleep(30)
        assert not master.asked("POST", "/nodes")
        await master.client().create(NODES, {"metadata": {"name": "n1"}})
        await asyncio.sleep(11)
        assert (await master.node())["status"]["conditions"][-1]["status"] == "True"
        await asyncio.sleep(10)
        assert await master.lease()


async def test_taints_labels_and_provider_id_go_into_the_first_post(master: Master):
    options = {
        "register_with_taints": ("dedicated=gpu:NoExecute", "x:PreferNoSchedule"),
        "node_labels": {"disk": "ssd", "kubernetes.io/hostname": "other"},
        "provider_id": "test://x",
        "register_schedulable": False,
    }
    async with running(make_kubelet(master, **options)):
        await asyncio.sleep(1)
    spec = master.asked("POST", "/nodes")[0].body["spec"]
    assert spec["taints"] == [
        {"key": "dedicated", "value": "gpu", "effect": "NoExecute"},
        {"key": "x", "effect": "PreferNoSchedule"},
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
    ]
    assert spec["unschedulable"] is True
    assert spec["providerID"] == "test://x"
    labels = master.asked("POST", "/nodes")[0].body["metadata"]["labels"]
    assert (labels["disk"], labels["kubernetes.io/hostname"]) == ("ssd", "other")


async def test_a_kubelet_of_1_5_deletes_a_node_with_another_external_id(master: Master):
    await master.client().create(NODES, {"metadata": {"name": "n1"}, "spec": {"externalID": "other"}})
    async with running(make_kubelet(master, era="1.5")):
        await asyncio.sleep(5)
    assert [asked.method for asked in master.log if asked.path == "/api/v1/nodes/n1" and asked.method == "DELETE"]
    assert [asked.code for asked in master.asked("POST", "/nodes")] == [409, 201]


async def test_a_forbidden_post_leads_to_adoption_since_1_32(master: Master):
    await master.client().create(NODES, {"metadata": {"name": "n1"}})
    master.fault = refusing(403, "POST", "/nodes")
    async with running(make_kubelet(master)):
        await asyncio.sleep(5)
        assert len(master.asked("POST", "/nodes")) == 1
        assert (await master.node())["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.2"


async def test_the_node_of_the_article_shows_everything_that_the_article_shows(master: Master):
    kubelet = make_kubelet(master, host=SEED_HOST, hostname_override="", era="1.5")
    async with running(kubelet):
        await asyncio.sleep(12)
        node = await master.node("127.0.0.1")
    status = node["status"]
    assert [condition["type"] for condition in status["conditions"]] == [
        "OutOfDisk",
        "MemoryPressure",
        "DiskPressure",
        "Ready",
    ]
    assert status["conditions"][-1]["status"] == "True"
    assert [address["type"] for address in status["addresses"]] == ["LegacyHostIP", "InternalIP", "Hostname"]
    assert {address["address"] for address in status["addresses"]} == {"127.0.0.1"}
    expected = {"alpha.kubernetes.io/nvidia-gpu": "0", "cpu": "1", "memory": "1883844Ki", "pods": "110"}
    assert status["capacity"] == expected
    assert status["allocatable"] == expected
    assert status["nodeInfo"]["kubeletVersion"] == status["nodeInfo"]["kubeProxyVersion"] == "v1.5.2"
    assert node["metadata"]["labels"] == {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/hostname": "127.0.0.1",
    }


async def test_a_configured_address_that_is_not_on_the_machine_is_never_published(master: Master):
    async with running(make_kubelet(master, node_ip="203.0.113.9")):
        await asyncio.sleep(12)
        node = await master.node()
    assert "addresses" not in node["status"]
    assert node["status"]["conditions"][-1]["status"] == "True"


@pytest.mark.parametrize(
    "options",
    [
        {"node_labels": {"x.kubernetes.io/y": "1"}},
        {"register_with_taints": ("nonsense",)},
        {"kube_reserved": {"memory": "10000Gi"}},
        {"hostname_override": "no_name"},
        {"eviction_soft": ("memory.available<1Gi",)},
    ],
)
def test_settings_with_which_no_kubelet_starts_are_refused(options, clock):
    master = Master(None, clock)
    with pytest.raises(ConfigError):
        make_kubelet(master, **options)


async def test_the_name_is_the_override_in_lower_case(master: Master):
    async with running(
        make_kubelet(master, hostname_override=" Foo.BAR ", host=simulated_host("x", address="10.0.0.2"))
    ):
        await asyncio.sleep(1)
        node = await master.node("foo.bar")
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "foo.bar"


async def test_a_cloud_is_told_the_address_and_may_set_others(master: Master):
    options = {"cloud_provider": "external", "node_ip": "10.0.0.1"}
    cloud = [{"type": "InternalIP", "address": "198.51.100.7"}]
    async with running(make_kubelet(master, **options)):
        await asyncio.sleep(5)
        node = await master.node()
        assert node["metadata"]["annotations"]["alpha.kubernetes.io/provided-node-ip"] == "10.0.0.1"
        assert node["spec"]["taints"][0]["key"] == "node.cloudprovider.kubernetes.io/uninitialized"
        await master.patch_node_status({"addresses": cloud})
        await asyncio.sleep(25)
        assert cloud[0] in (await master.node())["status"]["addresses"]


@pytest.mark.parametrize(("era", "stays"), [("1.20", True), ("1.36", False)])
async def test_a_provided_address_that_is_no_longer_given(master: Master, era, stays):
    async with running(make_kubelet(master, era=era, cloud_provider="external", node_ip="10.0.0.1")):
        await asyncio.sleep(5)
    async with running(make_kubelet(master, era=era, cloud_provider="external")):
        await asyncio.sleep(15)
        annotations = (await master.node())["metadata"]["annotations"]
    assert ("alpha.kubernetes.io/provided-node-ip" in annotations) == stays


async def test_in_1_5_the_node_is_read_by_a_list(master: Master):
    async with running(make_kubelet(master, era="1.5")):
        await asyncio.sleep(35)
    listed = [one for one in master.asked("GET", "/api/v1/nodes") if one.query.get("resourceVersion") == "0"]
    assert {one.query["fieldSelector"] for one in listed} == {"metadata.name=n1"}
    assert len(listed) >= 3
