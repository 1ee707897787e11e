"""What kube-proxy decides: which addresses lead where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.clock import Clock
from refimpl.proxy import endpoints, rules
from refimpl.proxy.balancer import Balancer
from refimpl.proxy.endpoints import Endpoint


def service(name="s", **spec):
    metadata = {"namespace": "ns", "name": name, "labels": spec.pop("labels", {})}
    status = spec.pop("status", {})
    base = {"type": "ClusterIP", "clusterIP": "10.96.0.1", "ports": [{"port": 80, "protocol": "TCP"}]}
    return {"metadata": metadata, "spec": {**base, **spec}, "status": status}


def endpoint(address, node="n1", **conditions):
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


def a_slice(*listed, name="s-1", service="s", port=8080, port_name="", **more):
    return {
        "metadata": {"namespace": "ns", "name": name, "labels": {endpoints.SERVICE_NAME: service}},
        "addressType": "IPv4",
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
        "endpoints": list(listed),
        **more,
    }


def decided(services, slices, node="n1"):
    return rules.decide(services, endpoints.from_slices(slices), node).rules


def backends(rule):
    return [endpoint.address for endpoint in rule.backends]


def test_ready_endpoints_of_all_slices_are_behind_the_cluster_ip():
    first = a_slice(endpoint("10.1.0.1"), endpoint("10.1.0.2", ready=False))
    second = a_slice(endpoint("10.1.0.3", ready=True), endpoint("10.1.0.1"), name="s-2")
    other = a_slice(endpoint("10.1.0.9"), name="o-1", service="other")
    (rule,) = decided([service()], [first, second, other])
    assert (rule.kind, rule.address, rule.port, backends(rule)) == (
        "clusterIP",
        "10.96.0.1",
        80,
        ["10.1.0.1", "10.1.0.3"],
    )
    assert rule.backends[0].port == 8080


def test_what_ends_is_used_only_where_nothing_is_ready():
    ending = endpoint("10.1.0.1", ready=False, serving=True, terminating=True)
    deaf = endpoint("10.1.0.2", ready=False, serving=False, terminating=True)
    assert backends(decided([service()], [a_slice(ending, deaf)])[0]) == ["10.1.0.1"]
    assert backends(decided([service()], [a_slice(ending, endpoint("10.1.0.3"))])[0]) == ["10.1.0.3"]
    assert backends(decided([service()], [a_slice(endpoint("10.1.0.4", ready=False))])[0]) == []


@pytest.mark.parametrize(
    "left_out",
    [
        service(clusterIP="None"),
        service(type="ExternalName", clusterIP=""),
        service(clusterIP=""),
        service(labels={rules.OTHER_PROXY: "other"}),
        service(labels={rules.HEADLESS: ""}),
    ],
)
def test_services_without_address_or_with_another_proxy_have_no_rules(left_out):
    assert decided([left_out], [a_slice(endpoint("10.1.0.1"))]) == ()


def test_ports_are_matched_by_name_and_protocol():
    ports = [{"name": "web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    slices = [a_slice(endpoint("10.1.0.1"), port_name="web"), a_slice(endpoint("10.1.0.2"), name="x", port_name="dns")]
    web, dns = decided([service(ports=ports)], slices)
    assert (backends(web), backends(dns), dns.protocol) == (["10.1.0.1"], [], "UDP")


def test_node_ports_and_external_addresses_follow_the_external_policy():
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "externalIPs": ["192.0.2.1"],
        "ports": [{"port": 80, "nodePort": 30080}],
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"ip": "192.0.2.3", "ipMode": "Proxy"}]}},
    }
    slices = [a_slice(endpoint("10.1.0.1", "n1"), endpoint("10.1.0.2", "n2"))]
    found = {rule.kind: (rule.address, rule.port, backends(rule)) for rule in decided([service(**spec)], slices)}
    assert found == {
        "clusterIP": ("10.96.0.1", 80, ["10.1.0.1", "10.1.0.2"]),
        "externalIP": ("192.0.2.1", 80, ["10.1.0.1"]),
        "loadBalancer": ("192.0.2.2", 80, ["10.1.0.1"]),
        "nodePort": ("", 30080, ["10.1.0.1"]),
    }
    elsewhere = {rule.kind: rule for rule in decided([service(**spec)], slices, node="n3")}
    assert elsewhere["nodePort"].drop
    assert not elsewhere["clusterIP"].drop


def test_internal_traffic_can_be_kept_on_the_node():
    slices = [a_slice(endpoint("10.1.0.1", "n1"), endpoint("10.1.0.2", "n2"))]
    local = service(internalTrafficPolicy="Local")
    assert backends(decided([local], slices)[0]) == ["10.1.0.1"]
    assert (backends(decided([local], slices, node="n3")[0]), decided([local], slices, node="n3")[0].drop) == ([], True)


def test_both_families_get_their_own():
    six = {**a_slice(endpoint("fd00::1"), name="s-6"), "addressType": "IPv6"}
    both = service(clusterIPs=["10.96.0.1", "fd01::1"])
    found = {rule.address: backends(rule) for rule in decided([both], [a_slice(endpoint("10.1.0.1")), six])}
    assert found == {"10.96.0.1": ["10.1.0.1"], "fd01::1": ["fd00::1"]}


def test_load_balancers_hear_how_many_endpoints_a_node_has():
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
    table = endpoints.from_slices([a_slice(endpoint("10.1.0.1", "n1"), endpoint("10.1.0.2", "n2"))])
    for node, local in (("n1", 1), ("n3", 0)):
        (check,) = rules.decide([service(**spec)], table, node).checks
        assert (check.port, check.local) == (31000, local)
    assert rules.decide([service(healthCheckNodePort=31000)], table, "n1").checks == ()


def test_endpoints_of_old_name_ready_addresses():
    subset = {
        "addresses": [{"ip": "10.1.0.1", "nodeName": "n1"}],
        "notReadyAddresses": [{"ip": "10.1.0.2"}],
        "ports": [{"port": 8080}],
    }
    listed = [{"metadata": {"namespace": "ns", "name": "s"}, "subsets": [subset]}]
    (rule,) = rules.decide([service()], endpoints.from_endpoints(listed), "n1").rules
    assert rule.backends == (Endpoint("10.1.0.1", 8080, "n1"),)


def a_rule(count, **more):
    behind = tuple(Endpoint(f"10.1.0.{number}", 80) for number in range(count))
    return rules.Rule(("ns", "s", "", "TCP"), "clusterIP", "10.96.0.1", 80, behind, **more)


@given(st.integers(1, 7), st.integers(1, 5))
def test_connections_go_round(count, rounds):
    balancer = Balancer(Clock())
    got = [balancer.choose(a_rule(count), "c").address for _ in range(count * rounds)]
    assert {address: got.count(address) for address in got} == {f"10.1.0.{n}": rounds for n in range(count)}


async def test_a_client_stays_until_it_is_silent_for_long_or_its_endpoint_goes():
    clock = Clock.virtual()
    balancer, rule = Balancer(clock), a_rule(3, affinity=100)
    first = balancer.choose(rule, "a")
    await clock.sleep(99)
    assert {balancer.choose(rule, "a") for _ in range(4)} == {first}
    assert balancer.choose(rule, "b") != first
    await clock.sleep(99)
    assert balancer.choose(rule, "a") == first
    await clock.sleep(101)
    assert balancer.choose(rule, "a") != first
    fewer = a_rule(1, affinity=100)
    assert balancer.choose(fewer, "a") == fewer.backends[0]
    assert balancer.choose(a_rule(0), "a") is None


def test_affinity_is_of_the_service():
    config = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}
    assert decided([service(**config)], [])[0].affinity == 5
    assert decided([service(sessionAffinity="ClientIP")], [])[0].affinity == 10800
    assert decided([service(sessionAffinity="None")], [])[0].affinity is None
