"""Services: addresses and ports are allocated once and kept."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import SERVICES
from refimpl.apiserver.kinds import strategy_for
from refimpl.apiserver.kinds.services import allocation
from refimpl.apiserver.settings import Settings
from refimpl.clock import Clock
from tests.apiserver_kinds.support import Stored, accepted, changed, context, create, named, refused, stored, update

TINY = Settings(service_cluster_ip_range="10.0.0.0/29", service_node_port_range=(30000, 30002))


def service(*ports: int, **spec: object) -> Object:
    return {"spec": {"ports": [{"port": port, "name": f"p{port}"} for port in ports or (80,)], **spec}}


def made_with(reader: Stored, body: Object, name: str = "x", settings: Settings = Settings()) -> Object:  # noqa: B008
    ctx = context(SERVICES, name=name, reader=reader, settings=settings)
    obj = accepted(SERVICES, named(SERVICES, body, name), ctx)
    reader.put(SERVICES, obj)
    return obj


def refusal(reader: Stored, body: Object, name: str = "y", settings: Settings = Settings()) -> str:  # noqa: B008
    with pytest.raises(ApiError) as caught:
        create(SERVICES, named(SERVICES, body, name), context(SERVICES, name=name, reader=reader, settings=settings))
    assert caught.value.code in {422, 500}
    return caught.value.message


def test_a_service_of_one_port_is_complete() -> None:
    made = accepted(SERVICES, {"spec": {"ports": [{"port": 80}]}})
    spec = made["spec"]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["type"], spec["sessionAffinity"], spec["internalTrafficPolicy"]) == ("ClusterIP", "None", "Cluster")
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    assert made["status"] == {"loadBalancer": {}}


def test_the_same_seed_gives_the_same_address() -> None:
    one, two = (accepted(SERVICES, service(), context(SERVICES, seed=7)) for _ in range(2))
    assert one["spec"]["clusterIP"] == two["spec"]["clusterIP"]


def test_addresses_are_unique_until_there_are_no_more() -> None:
    reader = stored()
    given_out = [made_with(reader, service(), f"s{index}", TINY)["spec"]["clusterIP"] for index in range(6)]
    assert sorted(given_out) == [f"10.0.0.{last}" for last in range(1, 7)]
    assert "range is full" in refusal(reader, service(), settings=TINY)


def test_a_wanted_address_is_given_if_it_is_free() -> None:
    reader = stored()
    assert made_with(reader, service(clusterIP="10.96.0.9"))["spec"]["clusterIPs"] == ["10.96.0.9"]
    assert "provided IP is already allocated" in refusal(reader, service(clusterIP="10.96.0.9"))
    assert "is not in the valid range. The range of valid IPs is 10.96.0.0/16" in refusal(
        reader, service(clusterIP="1.2.3.4")
    )


def test_a_headless_service_gets_no_address() -> None:
    assert accepted(SERVICES, service(clusterIP="None", selector={"a": "b"}))["spec"]["ipFamilies"] == ["IPv4"]
    alone = accepted(SERVICES, service(clusterIP="None"))["spec"]
    assert (alone["clusterIPs"], alone["ipFamilyPolicy"], alone["ipFamilies"]) == (
        ["None"],
        "RequireDualStack",
        ["IPv4", "IPv6"],
    )


def test_node_ports_are_unique_and_in_range() -> None:
    reader = stored()
    ports = [
        made_with(reader, service(type="NodePort"), f"s{index}", TINY)["spec"]["ports"][0]["nodePort"]
        for index in range(3)
    ]
    assert sorted(ports) == [30000, 30001, 30002]
    assert "range is full" in refusal(reader, service(type="NodePort"), settings=TINY)


def test_a_wanted_node_port_is_given_if_it_is_free() -> None:
    reader = stored()
    body = {"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30123}]}}
    made_with(reader, body)
    assert "spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated" in refusal(reader, body)
    body["spec"]["ports"][0]["nodePort"] = 80
    assert "The range of valid ports is 30000-32767" in refusal(reader, body)


def test_one_port_of_two_protocols_shares_its_node_port() -> None:
    ports = [{"port": 53, "name": "a"}, {"port": 53, "name": "b", "protocol": "UDP"}]
    one, two = accepted(SERVICES, {"spec": {"type": "NodePort", "ports": ports}})["spec"]["ports"]
    assert one["nodePort"] == two["nodePort"]


def test_a_local_load_balancer_gets_a_health_port_of_its_own() -> None:
    spec = accepted(SERVICES, service(type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    assert spec["allocateLoadBalancerNodePorts"] is True
    assert spec["healthCheckNodePort"] not in {0, spec["ports"][0]["nodePort"]}


def test_an_update_that_leaves_them_out_keeps_address_and_ports() -> None:
    old = accepted(SERVICES, service(type="NodePort"))
    new, wrong = update(SERVICES, old, named(SERVICES, service(type="NodePort")))
    assert not wrong
    assert new["spec"] == old["spec"]


def test_the_address_of_a_service_does_not_change() -> None:
    old = accepted(SERVICES, service())
    _, wrong = update(SERVICES, old, changed(old, spec={"clusterIP": "10.96.0.78"}))
    assert wrong == ['spec.clusterIPs[0]: Invalid value: ["10.96.0.78"]: may not change once set']


def test_a_type_takes_its_own_fields_with_it() -> None:
    old = accepted(SERVICES, service(type="LoadBalancer", externalTrafficPolicy="Local"))
    new, wrong = update(SERVICES, old, changed(old, spec={"type": "ClusterIP"}))
    assert not wrong
    assert "nodePort" not in new["spec"]["ports"][0]
    gone = {"externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts"}
    assert not gone & new["spec"].keys()
    outside, wrong = update(SERVICES, new, changed(new, spec={"type": "ExternalName", "externalName": "a.b"}))
    assert not wrong
    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & outside["spec"].keys()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"spec": {"ports": []}}, "spec.ports"),
        ({"spec": {"ports": [{"port": 80}, {"port": 81, "name": "a"}]}}, "spec.ports[0].name"),
        (service(0), "spec.ports[0].port"),
        (service(80, sessionAffinity="Maybe"), "spec.sessionAffinity"),
        (service(80, type="Foo"), "spec.type"),
        (service(80, selector={"bad key": "x"}), "spec.selector"),
        (service(80, type="ExternalName"), "spec.externalName"),
        (service(80, type="NodePort", clusterIP="None"), "spec.clusterIPs[0]"),
        (service(80, externalTrafficPolicy="Local"), "spec.externalTrafficPolicy"),
        (service(80, healthCheckNodePort=30001), "spec.healthCheckNodePort"),
        (service(80, externalIPs=["x"]), "spec.externalIPs[0]"),
        (service(80, loadBalancerSourceRanges=["10.0.0.0/8"]), "spec.LoadBalancerSourceRanges"),
        (service(10250, type="LoadBalancer"), "spec.ports[0]"),
        ({"spec": {"ports": [{"port": 80, "nodePort": 30124}]}}, "spec.ports[0].nodePort"),
    ],
)
def test_what_cannot_work_is_refused(body: Object, field: str) -> None:
    assert {text.split(": ")[0] for text in refused(SERVICES, body)} >= {field}


def test_a_name_may_start_with_a_digit_but_is_short() -> None:
    assert not refused(SERVICES, named(SERVICES, service(), "1a"))
    assert refused(SERVICES, named(SERVICES, service(), "a.b"))
    assert refused(SERVICES, named(SERVICES, service(), "a" * 64))


def test_only_a_load_balancer_has_ingress_points() -> None:
    old = accepted(SERVICES, service())
    point = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
    assert update(SERVICES, old, changed(old, status=point), "status")[1]
    balanced = accepted(SERVICES, service(type="LoadBalancer"))
    new, wrong = update(SERVICES, balanced, changed(balanced, status=point), "status")
    assert not wrong
    assert new["status"]["loadBalancer"]["ingress"] == [{"ip": "1.2.3.4", "ipMode": "VIP"}]


@pytest.mark.parametrize(
    ("spec", "status", "row"),
    [
        ({"type": "ClusterIP"}, {}, ("<none>", "80/TCP")),
        ({"type": "NodePort"}, {}, ("<none>", "80:30009/TCP")),
        ({"type": "LoadBalancer"}, {}, ("<pending>", "80:30009/TCP")),
        (
            {"type": "LoadBalancer"},
            {"loadBalancer": {"ingress": [{"hostname": "h"}, {"ip": "1.1.1.1"}]}},
            ("1.1.1.1,h", "80:30009/TCP"),
        ),
        ({"type": "ClusterIP", "externalIPs": ["1.2.3.4", "1.2.3.5"]}, {}, ("1.2.3.4,1.2.3.5", "80/TCP")),
        ({"type": "ExternalName", "externalName": "a.b"}, {}, ("a.b", "80/TCP")),
    ],
)
def test_the_row_tells_how_to_reach_a_service(spec: Object, status: Object, row: tuple[str, str]) -> None:
    body = copy.deepcopy(service(**spec))
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        body["spec"]["ports"][0]["nodePort"] = 30009
    obj = {**accepted(SERVICES, body), "status": status}
    cells = {column.name: column.cell(obj, Clock.virtual()) for column in (strategy_for(SERVICES).columns or ())[1:5]}
    assert (cells["External-IP"], cells["Port(s)"]) == row


@given(st.sets(st.integers(1, 20)), st.integers(1, 20), st.integers())
def test_draw_finds_a_free_number_whenever_there_is_one(taken: set[int], preferred: int, seed: int) -> None:
    number = allocation.draw(context(SERVICES, seed=seed), 1, 20, preferred, taken.__contains__)
    if taken >= set(range(1, 21)):
        assert number is None
    else:
        assert number not in taken
        assert number is not None
        assert 1 <= number <= 20
        assert number >= preferred or taken >= set(range(preferred, 21))
