"""What Endpoints and EndpointSlices say about a Service's pods: pure functions."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.controllers.endpoints import backends, subsets
from refimpl.controllers.endpointslice.endpoint import Backend, conditions, publish
from refimpl.controllers.endpointslice.slices import Changes, reconcile
from tests.controllers.objects import pod, reference, workload

HTTP = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}


def service(*ports: Object, **spec: Any) -> Object:
    made = workload("Service", api_version="v1")
    made["spec"] = {"selector": {"app": "web"}, "clusterIP": "10.96.0.10", "ports": list(ports or (HTTP,)), **spec}
    return made


def backend(name: str, ip: str = "192.0.2.1", **more: Any) -> Object:
    made = pod(name, **more)
    if ip:
        made["status"] |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    return made


def listed(made: Object) -> tuple[list[str], list[str]]:
    """Ready and not ready addresses."""
    ready = [a["ip"] for s in made.get("subsets", []) for a in s.get("addresses", [])]
    return ready, [a["ip"] for s in made.get("subsets", []) for a in s.get("notReadyAddresses", [])]


@pytest.mark.parametrize(
    ("candidate", "published", "ready", "not_ready"),
    [
        (backend("a"), False, ["192.0.2.1"], []),
        (backend("a", ready_for=None), False, [], ["192.0.2.1"]),
        (backend("a", ready_for=None), True, ["192.0.2.1"], []),
        (backend("a", deleting=True), False, [], []),
        (backend("a", deleting=True), True, ["192.0.2.1"], []),
        (backend("a", phase="Failed"), False, [], []),
        (backend("a", phase="Succeeded"), True, [], []),
        (backend("a", ip=""), False, [], []),
    ],
)
def test_where_a_pod_is_listed(candidate: Object, published: bool, ready: list[str], not_ready: list[str]):
    made = subsets.endpoints(service(publishNotReadyAddresses=published), [candidate])
    assert listed(made) == (ready, not_ready)


def test_an_address_names_its_pod_and_node_and_the_ports_the_pod_serves():
    made = subsets.endpoints(service(), [backend("a")])
    assert made["subsets"] == [
        {
            "addresses": [
                {
                    "ip": "192.0.2.1",
                    "nodeName": "n1",
                    "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": "uid-a"},
                }
            ],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }
    ]


def test_a_named_port_is_looked_up_in_each_pod_and_splits_the_subsets():
    named = {"port": 80, "targetPort": "web"}
    old = backend("a", "192.0.2.1", containers=[{"ports": [{"name": "web", "containerPort": 80}]}])
    new = backend("b", "192.0.2.2", containers=[{"ports": [{"name": "web", "containerPort": 8080}]}])
    none = backend("c", "192.0.2.3", containers=[{"ports": [{"name": "other", "containerPort": 1}]}])
    made = subsets.endpoints(service(named), [old, new, none])
    assert sorted((s["addresses"][0]["ip"], s["ports"][0]["port"]) for s in made["subsets"]) == [
        ("192.0.2.1", 80),
        ("192.0.2.2", 8080),
    ]


def test_a_headless_service_may_have_no_ports_and_is_labelled():
    made = subsets.endpoints({**service(), "spec": {"selector": {"app": "web"}, "clusterIP": "None"}}, [backend("a")])
    assert listed(made) == (["192.0.2.1"], [])
    assert "ports" not in made["subsets"][0]
    assert made["metadata"]["labels"][backends.HEADLESS_LABEL] == ""


def test_the_name_that_a_pod_asked_for_in_dns_is_in_its_address():
    made = subsets.endpoints(service(), [backend("a", hostname="first", subdomain="web")])
    other = subsets.endpoints(service(), [backend("a", hostname="first", subdomain="db")])
    assert made["subsets"][0]["addresses"][0]["hostname"] == "first"
    assert "hostname" not in other["subsets"][0]["addresses"][0]


def test_a_dual_stack_pod_is_listed_with_the_services_primary_family():
    both = backend("a")
    both["status"]["podIPs"] = [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}]
    assert listed(subsets.endpoints(service(ipFamilies=["IPv6"]), [both])) == (["2001:db8::1"], [])


def test_more_than_a_thousand_addresses_are_truncated_not_ready_ones_first():
    many = [backend(f"p{i:04}", f"192.0.{i // 250}.{i % 250}") for i in range(999)]
    unready = [backend(f"u{i}", f"198.51.100.{i}", ready_for=None) for i in range(10)]
    made = subsets.endpoints(service(), [*unready, *many])
    ready, not_ready = listed(made)
    assert (len(ready), len(not_ready)) == (999, 1)
    assert made["metadata"]["annotations"] == {subsets.CAPACITY_ANNOTATION: "truncated"}


@pytest.mark.parametrize(
    ("candidate", "published", "expected"),
    [
        (backend("a"), False, (True, True, False)),
        (backend("a", ready_for=None), False, (False, False, False)),
        (backend("a", ready_for=None), True, (True, False, False)),
        (backend("a", deleting=True), False, (False, True, True)),
        (backend("a", deleting=True, ready_for=None), False, (False, False, True)),
        (backend("a", deleting=True), True, (True, True, True)),
    ],
)
def test_conditions_of_an_endpoint(candidate: Object, published: bool, expected: tuple[bool, bool, bool]):
    found = conditions(service(publishNotReadyAddresses=published), candidate)
    assert (found["ready"], found["serving"], found["terminating"]) == expected


def test_an_endpoint_names_its_zone_and_a_pod_on_a_missing_node_is_left_out():
    nodes = {"n1": {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z"}}}}
    here, nowhere = backend("a"), backend("b", node="gone")
    found, homeless = publish(service(), [here, nowhere], nodes.get, "IPv4")
    assert [(one.endpoint["targetRef"]["name"], one.endpoint["zone"]) for one in found] == [("a", "z")]
    assert homeless
    everything, _ = publish(service(publishNotReadyAddresses=True), [here, nowhere], nodes.get, "IPv4")
    assert len(everything) == 2


def endpoint(number: int, port: int = 80) -> Backend:
    ports = ((("name", ""), ("port", port), ("protocol", "TCP")),)
    body = {"addresses": [f"192.0.2.{number}"], "conditions": {"ready": True}, "targetRef": {"uid": f"u{number}"}}
    return Backend(f"u{number}", body, ports)


@attrs.define
class Slices:
    """The stored slices of a Service, changed as the controller asks."""

    owner: Object
    stored: dict[str, Object] = attrs.field(factory=dict)
    writes: int = 0
    _names: Any = attrs.field(factory=itertools.count)

    def apply(self, wanted: list[Backend], limit: int = 3) -> Changes:
        changes = reconcile(self.owner, "IPv4", wanted, list(self.stored.values()), limit)
        for one in changes.create:
            name = f"web-{next(self._names)}"
            self.stored[name] = {**one, "metadata": {**one["metadata"], "name": name}}
        for one in changes.update:
            assert one["metadata"]["name"] in self.stored
            self.stored[one["metadata"]["name"]] = one
        for one in changes.delete:
            del self.stored[one["metadata"]["name"]]
        self.writes += len(changes.create) + len(changes.update) + len(changes.delete)
        return changes

    def uids(self) -> list[str]:
        return sorted(e["targetRef"]["uid"] for one in self.stored.values() for e in one["endpoints"])


def test_a_service_without_endpoints_has_one_empty_slice_and_then_rests():
    slices = Slices(service())
    slices.apply([])
    [only] = slices.stored.values()
    assert (only["endpoints"], only["ports"]) == ([], [])
    assert only["metadata"]["ownerReferences"] == [reference(slices.owner)]
    assert slices.apply([]) == Changes()


def test_the_empty_slice_is_filled_instead_of_replaced():
    slices = Slices(service())
    slices.apply([])
    slices.apply([endpoint(1)])
    assert list(slices.stored) == ["web-0"]
    assert slices.uids() == ["u1"]


def test_one_change_costs_one_write():
    slices = Slices(service())
    slices.apply([endpoint(i) for i in range(9)])
    assert len(slices.stored) == 3
    before = slices.writes
    gone = {**endpoint(0).endpoint, "conditions": {"ready": False}}
    slices.apply([attrs.evolve(endpoint(0), endpoint=gone), *(endpoint(i) for i in range(1, 9))])
    assert slices.writes == before + 1


def test_a_slice_of_another_owner_with_the_same_name_is_dropped():
    slices = Slices(service())
    slices.apply([endpoint(1)])
    [one] = slices.stored.values()
    foreign = {**one, "metadata": {**one["metadata"], "name": "old", "ownerReferences": []}}
    slices.stored["old"] = foreign
    slices.apply([endpoint(1)])
    assert list(slices.stored) == ["web-0"]


@given(st.lists(st.sets(st.tuples(st.integers(0, 12), st.sampled_from([80, 81]))), max_size=8), st.integers(1, 5))
def test_slices_always_show_exactly_the_wanted_endpoints_and_then_rest(rounds, limit):
    slices = Slices(service())
    for wanted in rounds:
        backends_now = [endpoint(number, port) for number, port in {n: (n, p) for n, p in sorted(wanted)}.values()]
        slices.apply(backends_now, limit)
        assert slices.uids() == sorted(one.uid for one in backends_now)
        assert slices.stored
        assert all(len(one["endpoints"]) <= limit for one in slices.stored.values())
        assert slices.apply(backends_now, limit) == Changes()
