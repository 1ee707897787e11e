"""Versions that 1.36 serves no more, for components of older releases."""

from __future__ import annotations

import pytest

from refimpl.api import protobuf
from refimpl.api.resources import (
    ENDPOINTSLICES,
    OLDER_ENDPOINTSLICES,
    OLDER_PODDISRUPTIONBUDGETS,
    PODDISRUPTIONBUDGETS,
)
from refimpl.apiserver.server import ApiServer
from refimpl.apiserver.settings import Settings
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore

OLD = OLDER_PODDISRUPTIONBUDGETS
BUDGET = {
    "metadata": {"name": "b", "namespace": "default"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}},
}


async def client(*runtime_config: str) -> Client:
    server = ApiServer(MemoryStore(), Clock.virtual(), settings=Settings(runtime_config=runtime_config))
    await server.start()
    return Client(DirectTransport(server.handle))


async def test_an_older_version_is_unknown_until_it_is_chosen():
    ours = await client()
    found = await ours.request("GET", "/apis/policy")
    assert [version["version"] for version in found["versions"]] == ["v1"]
    with pytest.raises(Exception, match="could not find the requested resource"):
        await ours.list(OLD)


async def test_an_older_version_is_a_view_of_the_same_objects():
    ours = await client("policy/v1beta1=true")
    found = await ours.request("GET", "/apis/policy")
    assert [version["version"] for version in found["versions"]] == ["v1", "v1beta1"]
    assert found["preferredVersion"]["version"] == "v1"
    old = await ours.create(OLD, BUDGET)
    assert old["apiVersion"] == "policy/v1beta1"
    new = await ours.get(PODDISRUPTIONBUDGETS, "b", namespace="default")
    assert (new["apiVersion"], new["spec"]) == ("policy/v1", old["spec"])
    listed = await ours.list(OLD)
    assert (listed["apiVersion"], [item["metadata"]["uid"] for item in listed["items"]]) == (
        "policy/v1beta1",
        [new["metadata"]["uid"]],
    )
    changes = ours.watch(OLD, resource_version=new["metadata"]["resourceVersion"])
    await ours.update(PODDISRUPTIONBUDGETS, {**new, "spec": {**new["spec"], "minAvailable": 2}})
    event = await anext(changes)
    await changes.aclose()
    assert (event.type, event.object["apiVersion"], event.object["spec"]["minAvailable"]) == (
        "MODIFIED",
        "policy/v1beta1",
        2,
    )


@pytest.mark.parametrize("entry", ["policy/v2", "policy/v1beta1=maybe"])
def test_what_cannot_be_chosen_is_named(entry: str):
    with pytest.raises(ValueError, match=r"there is policy/v1beta1=true"):
        Settings(runtime_config=(entry,)).older_rows()


SLICE = {
    "metadata": {"name": "s", "namespace": "default"},
    "addressType": "IPv4",
    "endpoints": [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {},
            "nodeName": "n",
            "topology": {"kubernetes.io/hostname": "n", "topology.kubernetes.io/zone": "z", "rack": "r"},
        }
    ],
}


async def test_node_and_zone_of_an_endpoint_are_in_its_older_topology():
    ours = await client("discovery.k8s.io/v1beta1=true")
    old = await ours.create(OLDER_ENDPOINTSLICES, SLICE)
    assert (old["apiVersion"], old["endpoints"]) == ("discovery.k8s.io/v1beta1", SLICE["endpoints"])
    new = await ours.get(ENDPOINTSLICES, "s", namespace="default")
    assert new["endpoints"] == [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {},
            "nodeName": "n",
            "zone": "z",
            "deprecatedTopology": {"rack": "r"},
        }
    ]
    assert (await ours.get(OLDER_ENDPOINTSLICES, "s", namespace="default"))["endpoints"] == SLICE["endpoints"]
    assert (await ours.list(OLDER_ENDPOINTSLICES))["items"][0]["endpoints"] == SLICE["endpoints"]


def test_an_older_slice_has_a_binary_form():
    slice_ = {**SLICE, "apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice"}
    packed = protobuf.encode(slice_)
    assert protobuf.decode(packed)["endpoints"] == SLICE["endpoints"]
