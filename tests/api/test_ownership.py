"""Who owns which field: sets of fields, what differs between objects, and what an apply makes of them."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import schema, typed
from refimpl.api.errors import Object
from refimpl.api.ownership import conformity, fieldsets, managers, objects, shapes
from refimpl.api.ownership.managers import Conflict, Manager, Share, Writing

NOW = "2017-07-18T09:00:00Z"
LATER = "2017-07-18T09:01:00Z"


def shape(kind: str, api_version: str = "v1") -> shapes.Shape:
    struct = schema.of_kind(api_version, kind)
    assert struct is not None
    return shapes.of_struct(struct)


MAPS = shape("ConfigMap")
PODS = shape("Pod")
EMPTY = typed.decode("v1", "ConfigMap", {})
CREATOR = Manager("creator", "Update", "v1")


def applier(name: str) -> Writing:
    return Writing(MAPS, Manager(name, "Apply", "v1"), NOW)


def config(**data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}


def created(obj: Object) -> dict[Manager, Share]:
    return managers.updated({}, Writing(MAPS, CREATOR, NOW), EMPTY, obj)


def fields(shares: dict[Manager, Share]) -> dict[str, Object]:
    return {manager.name: fieldsets.to_wire(share.fields) for manager, share in shares.items()}


elements = st.sampled_from(["f:a", "f:b", 'k:{"name":"c"}', 'v:"x"'])


@given(st.frozensets(st.lists(elements, min_size=1, max_size=4).map(tuple)))
def test_a_set_of_fields_survives_the_wire(given_fields: fieldsets.FieldSet) -> None:
    assert fieldsets.from_wire(fieldsets.to_wire(given_fields)) == given_fields


def test_a_path_is_shown_with_the_keys_of_items() -> None:
    path = ("f:spec", "f:containers", 'k:{"name":"c"}', "f:image")
    assert fieldsets.text(path) == '.spec.containers[name="c"].image'
    assert fieldsets.text(("f:metadata", "f:finalizers", 'v:"a/b"')) == '.metadata.finalizers[="a/b"]'


def test_lists_and_maps_are_owned_in_parts_or_as_a_whole() -> None:
    pod = {
        "metadata": {"labels": {"a": "b"}, "finalizers": ["x.y/z"]},
        "spec": {
            "nodeSelector": {"a": "b"},
            "tolerations": [{"key": "k"}],
            "containers": [{"name": "c", "ports": [{"containerPort": 80}], "args": ["x"]}],
        },
    }
    assert fieldsets.to_wire(objects.fields(PODS, pod)) == {
        "f:metadata": {"f:finalizers": {'v:"x.y/z"': {}}, "f:labels": {"f:a": {}}},
        "f:spec": {
            "f:containers": {
                'k:{"name":"c"}': {
                    ".": {},
                    "f:args": {},
                    "f:name": {},
                    "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                }
            },
            "f:nodeSelector": {},
            "f:tolerations": {},
        },
    }


def test_who_creates_an_object_owns_what_is_in_it_and_the_maps_around_it() -> None:
    assert fields(created(config(k="1"))) == {"creator": {"f:data": {".": {}, "f:k": {}}}}


def test_a_change_takes_what_it_writes_and_nobody_keeps_what_is_gone() -> None:
    first, second = config(k="1", l="1", m="1"), config(k="2", l="1")
    shares = managers.updated(created(first), Writing(MAPS, Manager("w", "Update", "v1"), LATER), first, second)
    assert fields(shares) == {"creator": {"f:data": {".": {}, "f:l": {}}}, "w": {"f:data": {"f:k": {}}}}
    assert managers.updated(shares, Writing(MAPS, CREATOR, LATER), second, second) == shares


def test_an_apply_is_refused_what_others_own_unless_it_insists() -> None:
    live = config(k="1")
    with pytest.raises(Conflict) as refused:
        managers.applied(created(live), applier("b"), live, config(k="2"), force=False)
    assert refused.value.fields == {CREATOR: [("f:data", "f:k")]}
    obj, shares = managers.applied(created(live), applier("b"), live, config(k="2"), force=True)
    assert obj["data"] == {"k": "2"}
    assert fields(shares) == {"creator": {"f:data": {}}, "b": {"f:data": {"f:k": {}}}}


def test_the_same_value_is_shared() -> None:
    live = config(k="1")
    _, shares = managers.applied(created(live), applier("b"), live, config(k="1"), force=False)
    assert fields(shares) == {"creator": {"f:data": {".": {}, "f:k": {}}}, "b": {"f:data": {"f:k": {}}}}


def test_what_an_applier_no_longer_names_goes_unless_another_has_it() -> None:
    obj, shares = managers.applied({}, applier("a"), EMPTY, config(k="1", l="1"), force=False)
    obj, shares = managers.applied(shares, applier("b"), obj, config(l="1"), force=False)
    obj, shares = managers.applied(shares, applier("a"), obj, config(n="1"), force=False)
    assert obj["data"] == {"l": "1", "n": "1"}
    obj, shares = managers.applied(shares, applier("b"), obj, {"metadata": {"name": "m"}}, force=False)
    assert obj["data"] == {"n": "1"}
    assert list(fields(shares)) == ["a"]


def test_an_item_goes_with_all_that_was_in_it_and_leaves_no_empty_list() -> None:
    def pod(*ports: int) -> Object:
        container: Object = {"name": "c", "image": "i"}
        if ports:
            container["ports"] = [{"containerPort": port} for port in ports]
        return {"metadata": {"name": "p"}, "spec": {"containers": [container]}}

    writing = Writing(PODS, Manager("a", "Apply", "v1"), NOW)
    obj, shares = managers.applied({}, writing, typed.decode("v1", "Pod", {}), pod(80, 81), force=False)
    obj, shares = managers.applied(shares, writing, obj, pod(81), force=False)
    assert obj["spec"]["containers"][0]["ports"] == [{"containerPort": 81}]
    obj, shares = managers.applied(shares, writing, obj, pod(), force=False)
    assert obj["spec"]["containers"] == [{"name": "c", "image": "i"}]


def test_items_of_others_stay_where_they_are_between_those_applied() -> None:
    live = {"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}}
    laid = objects.merged(PODS, live, {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d"}]}})
    assert [item["name"] for item in laid["spec"]["containers"]] == ["a", "b", "c", "d"]
    assert laid["spec"]["containers"][2] == {"name": "c", "image": "i"}


def test_an_apply_that_changes_nothing_is_not_a_later_one() -> None:
    obj, shares = managers.applied({}, applier("a"), EMPTY, config(k="1"), force=False)
    again = attrs.evolve(applier("a"), time=LATER)
    assert managers.applied(shares, again, obj, config(k="1"), force=False) == (obj, shares)


def test_owners_survive_the_wire_with_those_who_apply_first() -> None:
    _, shares = managers.applied(created(config(k="1")), applier("b"), config(k="1"), config(l="1"), force=False)
    entries = managers.write(shares)
    assert [entry["operation"] for entry in entries] == ["Apply", "Update"]
    assert entries[0] == {
        "manager": "b",
        "operation": "Apply",
        "apiVersion": "v1",
        "time": NOW,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:l": {}}},
    }
    assert managers.read(entries) == shares


@pytest.mark.parametrize(
    ("kind", "given_config", "said"),
    [
        ("ConfigMap", {"bogus": 1}, ".bogus: field not declared in schema"),
        ("ConfigMap", {"data": {"a": 5}}, ".data.a: expected string, got &value.valueUnstructured{Value:5}"),
        ("ConfigMap", {"data": "s"}, ".data: expected map, got &{s}"),
        ("ConfigMap", {"immutable": "s"}, ".immutable: expected boolean, got &{s}"),
        (
            "ConfigMap",
            {"metadata": {"generation": "s", "finalizers": "x"}},
            (
                "errors:\n  .metadata.finalizers: expected list, got &{x}\n"
                "  .metadata.generation: expected numeric (int or float), got *value.valueUnstructured"
            ),
        ),
        (
            "Pod",
            {"spec": {"containers": [{"name": "c"}, {"name": "c"}]}},
            '.spec.containers: duplicate entries for key [name="c"]',
        ),
        (
            "Pod",
            {"spec": {"containers": [5]}},
            ".spec.containers: element 0: associative list with keys may not have non-map elements",
        ),
        ("Pod", {"spec": {"containers": [{"name": "c", "image": "i"}]}}, ""),
    ],
)
def test_a_configuration_that_is_none_of_its_type_is_told_what_is_wrong(
    kind: str, given_config: Object, said: str
) -> None:
    struct = schema.of_kind("v1", kind)
    assert struct is not None
    assert conformity.problems(struct, given_config) == said
