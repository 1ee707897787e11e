"""The filters, one table each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.scheduler import filters
from tests.scheduler.objects import node_info, pod_info, taint

TOLERATE_CORDON = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}


class TestNodeUnschedulable:
    def test_a_cordoned_node_takes_no_plain_pod(self):
        rejection = filters.node_unschedulable(pod_info(), node_info(unschedulable=True))
        assert rejection is not None
        assert rejection.reasons == ("node(s) were unschedulable",)
        assert rejection.unresolvable

    def test_it_takes_a_pod_that_tolerates_the_cordon(self):
        tolerant = pod_info(tolerations=[TOLERATE_CORDON])
        cordoned = node_info(unschedulable=True, taints=[taint("node.kubernetes.io/unschedulable")])
        assert filters.run_filters(tolerant, cordoned) is None


class TestNodeName:
    def test_a_pod_that_names_its_node_goes_nowhere_else(self):
        assert filters.node_name(pod_info(nodeName="n1"), node_info(name="n1")) is None
        assert filters.node_name(pod_info(nodeName="n2"), node_info(name="n1")) is not None


class TestTaintToleration:
    @pytest.mark.parametrize(
        ("taints", "tolerations", "feasible"),
        [
            ([taint("k", "NoSchedule")], [], False),
            ([taint("k", "NoExecute")], [], False),
            ([taint("k", "PreferNoSchedule")], [], True),
            ([taint("k", "NoSchedule", "v")], [{"key": "k", "value": "v", "effect": "NoSchedule"}], True),
            ([taint("k", "NoSchedule", "v")], [{"key": "k", "value": "other", "effect": "NoSchedule"}], False),
            ([taint("k", "NoSchedule", "v")], [{"key": "k", "value": "v", "effect": "NoExecute"}], False),
            ([taint("k", "NoSchedule", "v")], [{"key": "k", "operator": "Exists"}], True),
            ([taint("k"), taint("l")], [{"key": "k", "operator": "Exists"}], False),
            ([taint("k"), taint("l")], [{"operator": "Exists"}], True),
        ],
    )
    def test_every_hard_taint_must_be_tolerated(self, taints, tolerations, feasible):
        rejection = filters.taint_toleration(pod_info(tolerations=tolerations), node_info(taints=taints))
        assert (rejection is None) is feasible
        if rejection is not None:
            assert rejection.reasons == ("node(s) had untolerated taint(s)",)


def required(*terms):
    selector = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}


def expressions(*conditions):
    listed = [
        {"key": key, "operator": operator, **({"values": values} if values else {})}
        for key, operator, *values in conditions
    ]
    return {"matchExpressions": listed}


class TestNodeAffinity:
    @pytest.mark.parametrize(
        ("spec", "feasible"),
        [
            ({"nodeSelector": {"disk": "ssd"}}, True),
            ({"nodeSelector": {"disk": "ssd", "gpu": "yes"}}, False),
            ({"affinity": required(expressions(("disk", "In", "ssd", "nvme")))}, True),
            ({"affinity": required(expressions(("disk", "NotIn", "ssd")))}, False),
            ({"affinity": required(expressions(("gpu", "NotIn", "yes")))}, True),
            ({"affinity": required(expressions(("disk", "Exists")))}, True),
            ({"affinity": required(expressions(("disk", "DoesNotExist")))}, False),
            ({"affinity": required(expressions(("cores", "Gt", "7")))}, True),
            ({"affinity": required(expressions(("cores", "Gt", "8")))}, False),
            ({"affinity": required(expressions(("cores", "Lt", "9")))}, True),
            ({"affinity": required(expressions(("gpu", "Exists")), expressions(("disk", "Exists")))}, True),
            ({"affinity": required(expressions(("gpu", "Exists"), ("disk", "Exists")))}, False),
            ({"affinity": required({})}, False),
            ({"nodeSelector": {"gpu": "yes"}, "affinity": required(expressions(("disk", "Exists")))}, False),
        ],
    )
    def test_selector_and_one_term_must_match(self, spec, feasible):
        node = node_info(labels={"disk": "ssd", "cores": "8"})
        assert (filters.node_affinity(pod_info(**spec), node) is None) is feasible

    def test_match_fields_names_the_node(self):
        field = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}
        wanted = pod_info(affinity=required(field))
        assert filters.node_affinity(wanted, node_info(name="n2")) is None
        assert filters.node_affinity(wanted, node_info(name="n1")) is not None
        assert wanted.asks.nodes.names == ("n2",)


def port(number, protocol="TCP", address=""):
    return {"containerPort": 80, "hostPort": number, "protocol": protocol, **({"hostIP": address} if address else {})}


class TestNodePorts:
    @pytest.mark.parametrize(
        ("used", "wanted", "feasible"),
        [
            (port(80), port(80), False),
            (port(80), port(81), True),
            (port(80), port(80, "UDP"), True),
            (port(80, address="10.0.0.1"), port(80, address="10.0.0.2"), True),
            (port(80, address="10.0.0.1"), port(80, address="10.0.0.1"), False),
            (port(80, address="10.0.0.1"), port(80), False),
            (port(80), port(80, address="10.0.0.1"), False),
            (port(80, address="0.0.0.0"), port(80, address="10.0.0.1"), False),
        ],
    )
    def test_a_host_port_is_taken_once_per_address_and_protocol(self, used, wanted, feasible):
        node = node_info(pod_info(ports=[used]))
        assert (filters.node_ports(pod_info(ports=[wanted]), node) is None) is feasible

    def test_a_sidecar_claims_its_port(self):
        sidecar = {"name": "s", "image": "x", "restartPolicy": "Always", "ports": [port(80)]}
        node = node_info(pod_info(initContainers=[sidecar]))
        assert filters.node_ports(pod_info(ports=[port(80)]), node) is not None


class TestNodeResourcesFit:
    @pytest.mark.parametrize(
        ("name", "offered", "taken", "wanted", "feasible"),
        [
            ("cpu", "2", "1500m", "500m", True),
            ("cpu", "2", "1500m", "501m", False),
            ("memory", "1Gi", "1073741823", "1", True),
            ("memory", "1Gi", "1073741823", "2", False),
            ("memory", "1Gi", "0", "1G", True),
            ("memory", "1G", "0", "1Gi", False),
            ("ephemeral-storage", "100Mi", "99Mi", "1Mi", True),
            ("ephemeral-storage", "100Mi", "99Mi", "1048577", False),
            ("example.com/gpu", "2", "1", "1", True),
            ("example.com/gpu", "2", "1", "2", False),
        ],
    )
    def test_equality_fits_and_a_little_more_does_not(self, name, offered, taken, wanted, feasible):
        node = node_info(pod_info(requests={name: taken}), **{"pods": 10, name: offered})
        rejection = filters.node_resources_fit(pod_info(requests={name: wanted}), node)
        assert (rejection is None) is feasible
        if rejection is not None:
            assert rejection.reasons == (f"Insufficient {name}",)

    def test_an_undeclared_resource_is_one_of_which_there_is_nothing(self):
        rejection = filters.node_resources_fit(pod_info(requests={"example.com/gpu": "1"}), node_info())
        assert rejection is not None
        assert rejection.unresolvable

    def test_more_than_the_whole_node_offers_cannot_be_resolved(self):
        full = node_info(pod_info(requests={"cpu": "2"}), cpu=2, pods=10)
        too_much = filters.node_resources_fit(pod_info(requests={"cpu": "3"}), full)
        too_late = filters.node_resources_fit(pod_info(requests={"cpu": "1"}), full)
        assert too_much is not None
        assert too_late is not None
        assert (too_much.unresolvable, too_late.unresolvable) == (True, False)

    def test_every_pod_needs_a_slot(self):
        node = node_info(pod_info(), cpu=4, pods=1)
        rejection = filters.node_resources_fit(pod_info(), node)
        assert rejection is not None
        assert rejection.reasons == ("Too many pods",)

    def test_a_node_that_declares_no_slots_has_none(self):
        assert filters.node_resources_fit(pod_info(), node_info(cpu=4)) is not None

    def test_all_that_is_lacking_is_named(self):
        node = node_info(cpu=1, memory="1Gi", pods=0)
        rejection = filters.node_resources_fit(pod_info(requests={"cpu": "2", "memory": "2Gi"}), node)
        assert rejection is not None
        assert rejection.reasons == ("Too many pods", "Insufficient cpu", "Insufficient memory")

    def test_a_pod_without_requests_needs_nothing_but_a_slot(self):
        overcommitted = node_info(pod_info(requests={"cpu": "9", "memory": "99Gi"}), cpu=1, memory="1Gi", pods=10)
        assert filters.node_resources_fit(pod_info(), overcommitted) is None

    def test_overcommitment_of_one_resource_does_not_matter_to_another(self):
        overcommitted = node_info(pod_info(requests={"cpu": "9"}), cpu=1, memory="1Gi", pods=10)
        assert filters.node_resources_fit(pod_info(requests={"memory": "1Gi"}), overcommitted) is None

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 500), max_size=20), st.integers(0, 4000), st.integers(1, 2000))
    def test_a_pod_fits_exactly_when_the_sum_does(self, taken, offered, wanted):
        pods = [pod_info(requests={"cpu": f"{amount}m"}) for amount in taken]
        node = node_info(*pods, cpu=f"{offered}m", pods=100)
        fits = filters.node_resources_fit(pod_info(requests={"cpu": f"{wanted}m"}), node) is None
        assert fits is (sum(taken) + wanted <= offered)


def test_the_first_objection_is_the_one_given():
    node = node_info(unschedulable=True, taints=[taint("k")], cpu=1)
    rejection = filters.run_filters(pod_info(requests={"cpu": "2"}), node)
    assert rejection is not None
    assert rejection.plugin == "NodeUnschedulable"
