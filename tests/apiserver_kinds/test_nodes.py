"""Nodes: defaults, rules, what may change, and how they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.resources import NODES
from refimpl.apiserver.kinds import strategy_for
from refimpl.clock import Clock
from tests.apiserver_kinds.support import accepted, changed, context, create, refused, update

CLOCK = Clock.virtual()


def node(spec: Object | None = None, status: Object | None = None, **metadata: object) -> Object:
    return {"metadata": {"name": "n1", **metadata}, "spec": spec or {}, "status": status or {}}


def cells(obj: Object) -> dict[str, object]:
    columns = strategy_for(NODES).columns or ()
    return {column.name: column.cell(obj, CLOCK) for column in columns if column.name != "Age"}


def test_one_post_stores_spec_and_status_together() -> None:
    made = accepted(NODES, node({"providerID": "p://1"}, {"capacity": {"cpu": "2"}, "phase": "Running"}))
    assert made["spec"]["providerID"] == "p://1"
    assert made["status"]["phase"] == "Running"


def test_a_node_that_tells_only_its_capacity_offers_all_of_it() -> None:
    made = accepted(NODES, node(status={"capacity": {"cpu": "2", "memory": "1024Mi"}}))
    assert made["status"]["allocatable"] == {"cpu": "2", "memory": "1Gi"}


def test_an_explicit_allocatable_is_kept_even_when_partial() -> None:
    made = accepted(NODES, node(status={"capacity": {"cpu": "2", "memory": "1Gi"}, "allocatable": {"cpu": "4"}}))
    assert made["status"]["allocatable"] == {"cpu": "4"}


@given(st.dictionaries(st.sampled_from(["cpu", "memory", "pods"]), st.integers(0, 2**40).map(str), min_size=1))
def test_allocatable_is_capacity_whatever_that_is(capacity: dict[str, str]) -> None:
    made = accepted(NODES, node(status={"capacity": dict(capacity)}))
    assert made["status"]["allocatable"] == made["status"]["capacity"]


def test_amounts_are_at_least_zero_and_countable_ones_are_whole() -> None:
    assert refused(NODES, node(status={"capacity": {"cpu": "-1"}, "allocatable": {}})) == [
        'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0'
    ]
    for name in ("pods", "example.com/gpu"):
        (text, _) = refused(NODES, node(status={"capacity": {name: "1.5"}}))
        assert text == f'status.capacity.{name}: Invalid value: "1500m": must be an integer'
    assert not refused(NODES, node(status={"capacity": {"alpha.kubernetes.io/nvidia-gpu": "0", "widgets": "1"}}))


def test_a_new_node_is_tainted_not_ready_even_if_it_says_ready() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    made = accepted(NODES, node({"taints": [{"key": "k", "effect": "NoExecute"}]}, ready))
    assert [taint["key"] for taint in made["spec"]["taints"]] == ["k", "node.kubernetes.io/not-ready"]


def test_the_not_ready_taint_is_not_doubled() -> None:
    own = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    assert accepted(NODES, node({"taints": [own]}))["spec"]["taints"] == [own]


def test_taints_are_unique_by_key_and_effect() -> None:
    taint = {"key": "k", "effect": "NoExecute"}
    assert not refused(NODES, node({"taints": [taint, {**taint, "effect": "NoSchedule"}]}))
    (text,) = refused(NODES, node({"taints": [taint, {**taint, "value": "v"}]}))
    shown = '{"Key":"k","Value":"v","Effect":"NoExecute","TimeAdded":null}'
    assert text == f"metadata.taints[1]: Duplicate value: {shown}: taints must be unique by key and effect pair"


def test_a_taint_needs_a_known_effect() -> None:
    missing, unknown = refused(NODES, node({"taints": [{"key": "k"}, {"key": "l", "effect": "Bogus"}]}))
    allowed = '"NoSchedule", "PreferNoSchedule", "NoExecute"'
    assert missing == "metadata.taints[0].effect: Required value"
    assert unknown == f'metadata.taints[1].effect: Unsupported value: "Bogus": supported values: {allowed}'


def test_pod_ranges_are_one_value_under_two_names() -> None:
    assert accepted(NODES, node({"podCIDR": "10.1.0.0/24"}))["spec"]["podCIDRs"] == ["10.1.0.0/24"]
    assert accepted(NODES, node({"podCIDRs": ["10.1.0.0/24"]}))["spec"]["podCIDR"] == "10.1.0.0/24"


@pytest.mark.parametrize(
    "cidrs", [["10.1.0.0/24", "10.2.0.0/24"], ["10.1.0.1/24"], ["x"], ["10.1.0.0"], ["10.1.0.0/33"]]
)
def test_pod_ranges_are_ranges_and_one_a_family(cidrs: list[str]) -> None:
    assert refused(NODES, node({"podCIDRs": cidrs}))


def test_two_families_are_fine() -> None:
    assert not refused(NODES, node({"podCIDRs": ["10.1.0.0/24", "fd00::/64"]}))


def test_pod_range_and_provider_are_set_once() -> None:
    old = accepted(NODES, node())
    new, wrong = update(NODES, old, changed(old, spec={"podCIDR": "10.1.0.0/24", "providerID": "p://1"}))
    assert not wrong
    for key, value, field in (("podCIDR", "10.2.0.0/24", "spec.podCIDRs"), ("providerID", "p://2", "spec.providerID")):
        _, wrong = update(NODES, new, changed(new, spec={key: value}))
        assert [text.split(": ")[0] for text in wrong] == [field]


def test_the_main_resource_does_not_touch_the_status() -> None:
    old = accepted(NODES, node(status={"capacity": {"cpu": "2"}}))
    new, _ = update(NODES, old, changed(old, status={"capacity": {"cpu": "64"}}, metadata={"labels": {"l": "1"}}))
    assert new["status"] == old["status"]
    assert new["metadata"]["labels"] == {"l": "1"}


def test_the_status_does_not_touch_the_spec_but_writes_labels() -> None:
    old = accepted(NODES, node())
    wanted = changed(old, spec={"unschedulable": True}, status={"phase": "Running"}, metadata={"labels": {"l": "1"}})
    new, wrong = update(NODES, old, wanted, "status")
    assert not wrong
    assert new["spec"] == old["spec"]
    assert (new["status"]["phase"], new["metadata"]["labels"]) == ("Running", {"l": "1"})


def test_an_address_occurs_once_a_type() -> None:
    old = accepted(NODES, node())
    addresses = [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "10.0.0.1"}]
    assert not update(NODES, old, changed(old, status={"addresses": addresses}), "status")[1]
    assert update(NODES, old, changed(old, status={"addresses": [*addresses, addresses[0]]}), "status")[1] == [
        'status.addresses[2]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}'
    ]


def test_old_external_ids_are_kept_with_a_warning() -> None:
    ctx = context(NODES, name="n1")
    made, causes = create(NODES, node({"externalID": "127.0.0.1"}), ctx)
    assert not causes
    assert ctx.warnings == ["spec.externalID: this field is deprecated, and is unused by Kubernetes"]
    assert update(NODES, made, changed(made, spec={"externalID": "x"}))[1] == [
        "spec.externalID: Forbidden: may not be updated"
    ]


def test_dynamic_kubelet_configuration_is_forgotten() -> None:
    made = accepted(NODES, node({"configSource": {"configMap": {}}}, {"config": {"error": "x"}}))
    assert "configSource" not in made["spec"]
    assert "config" not in made["status"]


def test_status_and_roles_are_summed_up_in_a_row() -> None:
    ready = {"conditions": [{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": "True"}]}
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "db"}
    shown = cells(accepted(NODES, node({"unschedulable": True}, ready, labels=labels)))
    assert shown["Status"] == "Ready,SchedulingDisabled"
    assert shown["Roles"] == "db,worker"
    assert shown["Kernel-Version"] == "<unknown>"


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ([], "Unknown"),
        ([{"type": "Ready", "status": "Unknown"}], "NotReady"),
        ([{"type": "Ready", "status": "False"}], "NotReady"),
    ],
)
def test_anything_but_ready_is_not_ready(conditions: list[Object], status: str) -> None:
    assert cells(accepted(NODES, node(status={"conditions": conditions})))["Status"] == status


def test_selectable_fields() -> None:
    fields = strategy_for(NODES).fields
    assert fields["spec.unschedulable"](node()) == "false"
    assert fields["spec.unschedulable"](node({"unschedulable": True})) == "true"
    assert fields["metadata.name"](node()) == "n1"


def test_what_old_agents_say_in_annotations_is_readable() -> None:
    taints, avoided = "scheduler.alpha.kubernetes.io/taints", "scheduler.alpha.kubernetes.io/preferAvoidPods"
    assert refused(NODES, node(annotations={taints: "bad", avoided: "{"})) == [
        f"metadata.annotations: Invalid value: \"{taints}\": invalid character 'b' looking for beginning of value",
        f'metadata.annotations.AvoidPods: Invalid value: "{avoided}": unexpected end of JSON input',
    ]
    (wrong,) = refused(NODES, node(annotations={taints: '[{"key": "a", "effect": "Bad"}]'}))
    assert wrong.startswith(f"metadata.annotations.{taints}[0].effect: Unsupported value")
    assert not refused(NODES, node(annotations={taints: '[{"key": "a", "effect": "NoSchedule"}]', avoided: "{}"}))
