from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import schema
from refimpl.api.errors import ApiError
from refimpl.api.patch import failures, merge, operations, strategic

CONFIG_MAP = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v", "l": "w"}}


def body(document):
    return document.encode() if isinstance(document, str) else json.dumps(document).encode()


def refusal(call, *arguments):
    with pytest.raises(ApiError) as refused:
        call(*arguments)
    return refused.value


# JSON patch


def test_operations_are_done_in_order():
    patch = [
        {"op": "add", "path": "/data/new", "value": "1"},
        {"op": "copy", "from": "/data/k", "path": "/data/copied"},
        {"op": "move", "from": "/data/new", "path": "/data/moved"},
        {"op": "test", "path": "/data/copied", "value": "v"},
        {"op": "remove", "path": "/data/l"},
    ]
    before = copy.deepcopy(CONFIG_MAP)
    patched = operations.apply(operations.read(body(patch)), CONFIG_MAP)
    assert patched["data"] == {"k": "v", "copied": "v", "moved": "1"}
    assert before == CONFIG_MAP


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ({"op": "replace", "path": "/data/new", "value": "1"}, {"k": "v", "l": "w", "new": "1"}),
        ({"op": "copy", "from": "/missing", "path": "/data/k"}, {"k": None, "l": "w"}),
        ({"op": "test", "path": "/data/missing"}, {"k": "v", "l": "w"}),
        ({"op": "test", "path": "/data/missing", "value": None}, {"k": "v", "l": "w"}),
        ({"op": "add", "path": "ignored/data/k", "value": "x"}, {"k": "x", "l": "w"}),
    ],
)
def test_a_missing_member_is_null_and_a_path_begins_at_its_first_slash(operation, data):
    assert operations.apply([operation], CONFIG_MAP)["data"] == data


@pytest.mark.parametrize(
    ("operation", "finalizers"),
    [
        ({"op": "add", "path": "/metadata/finalizers/-", "value": "c"}, ["a", "b", "c"]),
        ({"op": "add", "path": "/metadata/finalizers/-1", "value": "c"}, ["a", "b", "c"]),
        ({"op": "add", "path": "/metadata/finalizers/-2", "value": "c"}, ["a", "c", "b"]),
        ({"op": "add", "path": "/metadata/finalizers/0", "value": "c"}, ["c", "a", "b"]),
        ({"op": "remove", "path": "/metadata/finalizers/-1"}, ["a"]),
        ({"op": "replace", "path": "/metadata/finalizers/1", "value": "c"}, ["a", "c"]),
        ({"op": "remove", "path": "/metadata/finalizers/2"}, None),
        ({"op": "replace", "path": "/metadata/finalizers/-", "value": "c"}, None),
        ({"op": "add", "path": "/metadata/finalizers/3", "value": "c"}, None),
        ({"op": "add", "path": "/metadata/finalizers/x", "value": "c"}, None),
    ],
)
def test_an_index_may_count_from_the_end(operation, finalizers):
    held = {"metadata": {"name": "a", "finalizers": ["a", "b"]}}
    if finalizers is None:
        assert refusal(operations.apply, [operation], held).code == 422
    else:
        assert operations.apply([operation], held)["metadata"]["finalizers"] == finalizers
    assert held["metadata"]["finalizers"] == ["a", "b"]


def test_what_no_operation_touches_is_shared():
    patched = operations.apply([{"op": "add", "path": "/data/k", "value": "x"}], CONFIG_MAP)
    assert patched["metadata"] is CONFIG_MAP["metadata"]


@pytest.mark.parametrize(
    ("document", "checked", "said"),
    [
        ({}, True, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        ([5], True, "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (
            [{"op": 5}],
            True,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
        ),
        ({}, False, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        ([5], False, "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
    ],
)
def test_what_is_no_list_of_operations_is_named_as_go_names_it(document, checked, said):
    with pytest.raises(ApiError) as refused:
        operations.read(body(document), checked=checked)
    assert refused.value.message == said


def test_a_strict_server_names_members_that_no_operation_has():
    unknown = operations.unknown_members([{"op": "test", "path": "/a"}, {"op": "add", "path": "/a", "extra": 1}])
    assert unknown == ['json patch unknown field "[1].extra"']


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/k", "value": "x"},
        {"op": "remove", "path": "/data/missing"},
        {"op": "replace", "path": "/spec/x", "value": 1},
        {"op": "add", "path": "/data/k/deep", "value": 1},
        {"op": "bogus", "path": "/data/k"},
        {"path": "/data/k"},
        {"op": "add", "path": "data", "value": 1},
        {"op": "replace", "path": "", "value": 5},
    ],
)
def test_a_failed_operation_is_422_with_a_text_that_says_nothing(operation):
    status = refusal(operations.apply, [operation], CONFIG_MAP).status
    assert (status["code"], status["reason"], status["message"], status["details"]) == (
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
        {},
    )


def test_more_than_ten_thousand_operations_are_too_many():
    operation = {"op": "test", "path": "/kind", "value": "ConfigMap"}
    assert len(operations.read(body([operation] * 10_000))) == 10_000
    refused = refusal(operations.read, body([operation] * 10_001))
    assert refused.code == 413
    assert refused.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )


@pytest.mark.parametrize("document", ["{}", "5", "[5]", "x"])
def test_operations_are_a_list_of_objects(document):
    assert refusal(operations.read, body(document)).code == 400


# merge patch


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7386(target, patch, result):
    assert merge.apply(patch, target) == result


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("[]", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ("5", "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}"),
        ('"x"', "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}"),
        ("null", "Invalid JSON Patch"),
        ("", "error decoding patch: unexpected end of JSON input"),
        ("{", "error decoding patch: unexpected end of JSON input"),
        ("data: {k: w}", "error decoding patch: invalid character 'd' looking for beginning of value"),
    ],
)
def test_a_malformed_merge_patch_is_400(document, why):
    refused = refusal(merge.read, body(document))
    assert (refused.code, refused.message) == (400, why)


JSON_VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from("xy"),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON_VALUES, max_size=3)


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(below) for key, below in value.items() if below is not None}
    return value


@given(OBJECTS, OBJECTS)
def test_merging_twice_is_merging_once_and_changes_nothing_in_place(target, patch):
    before = copy.deepcopy(target)
    once = merge.apply(patch, target)
    assert merge.apply(patch, once) == once
    assert target == before


@given(OBJECTS)
def test_an_object_merged_into_nothing_is_the_object_without_nulls(patch):
    assert merge.apply(patch, {}) == without_nulls(patch)


# strategic merge patch


def patched(kind, target, document, version="v1"):
    struct = schema.of_kind(version, kind)
    before = copy.deepcopy(target)
    result = strategic.apply(struct, strategic.read(body(document)), target)
    assert target == before
    return result


def node(**status):
    return {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}, "status": status}


def conditions(*types, **more):
    return [{"type": kind, "status": "True", **more} for kind in types]


def types(obj):
    return [condition["type"] for condition in obj["status"]["conditions"]]


def test_conditions_merge_by_type_and_keep_their_place():
    result = patched(
        "Node",
        node(conditions=conditions("MemoryPressure", "Ready", message="m")),
        {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
    )
    assert result["status"]["conditions"] == [
        {"type": "MemoryPressure", "status": "True", "message": "m"},
        {"type": "Ready", "status": "False", "message": "m"},
    ]


def test_new_items_come_in_front():
    result = patched("Node", node(conditions=conditions("A", "B")), {"status": {"conditions": conditions("B", "New")}})
    assert types(result) == ["A", "B", "New"]
    result = patched("Node", node(conditions=conditions("A", "B")), {"status": {"conditions": conditions("New")}})
    assert types(result) == ["New", "A", "B"]


def test_an_item_can_be_deleted_and_the_list_replaced():
    target = node(conditions=conditions("A", "B"))
    assert types(patched("Node", target, {"status": {"conditions": [{"type": "A", "$patch": "delete"}]}})) == ["B"]
    replaced = {"status": {"conditions": [{"$patch": "replace"}, *conditions("C")]}}
    assert types(patched("Node", target, replaced)) == ["C"]


def test_the_order_of_items_can_be_set():
    document = {
        "status": {
            "$setElementOrder/conditions": [{"type": "Ready"}, {"type": "A"}, {"type": "B"}],
            "conditions": conditions("Ready"),
        }
    }
    assert types(patched("Node", node(conditions=conditions("A", "B", "Ready")), document)) == ["Ready", "A", "B"]
    del document["status"]["conditions"]
    assert types(patched("Node", node(conditions=conditions("A", "B", "Ready")), document)) == ["Ready", "A", "B"]


def test_an_item_added_where_another_is_deleted_takes_its_place():
    document = {
        "status": {
            "$setElementOrder/conditions": [{"type": "A"}, {"type": "New"}],
            "conditions": [{"type": "D", "$patch": "delete"}, *conditions("New")],
        }
    }
    assert types(patched("Node", node(conditions=conditions("A", "B", "D")), document)) == ["A", "B", "New"]


def test_two_addresses_of_one_type_collapse_to_the_last():
    target = node(addresses=[{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "n1"}])
    addresses = [{"type": "InternalIP", "address": "10.0.0.5"}, {"type": "InternalIP", "address": "10.0.0.6"}]
    order = [{"type": "InternalIP"}, {"type": "InternalIP"}, {"type": "Hostname"}]
    for extra in ({}, {"$setElementOrder/addresses": order}):
        result = patched("Node", target, {"status": {"addresses": addresses, **extra}})
        assert result["status"]["addresses"] == [addresses[1], {"type": "Hostname", "address": "n1"}]


def test_lists_without_a_merge_key_are_replaced():
    target = {**node(), "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    new = [{"key": "b", "effect": "NoSchedule"}]
    assert patched("Node", target, {"spec": {"taints": new}})["spec"]["taints"] == new
    kept = [{"key": "dedicated", "$patch": "delete"}]
    assert patched("Node", target, {"spec": {"taints": kept}})["spec"]["taints"] == kept


def finalized(*names):
    return {**CONFIG_MAP, "metadata": {"name": "a", "finalizers": list(names)}}


def finalizers(target, document):
    return patched("ConfigMap", target, {"metadata": document})["metadata"].get("finalizers")


def test_values_merge_as_a_set_can_be_deleted_and_ordered():
    target = finalized("a/1", "b/2")
    assert finalizers(target, {"finalizers": ["b/2", "c/3"]}) == ["a/1", "b/2", "c/3"]
    assert finalizers(target, {"finalizers": ["c/3"]}) == ["c/3", "a/1", "b/2"]
    assert finalizers(target, {"$deleteFromPrimitiveList/finalizers": ["a/1"]}) == ["b/2"]
    assert finalizers(target, {"$setElementOrder/finalizers": ["b/2", "a/1"]}) == ["b/2", "a/1"]
    assert finalizers(target, {"finalizers": None}) is None
    assert finalizers(CONFIG_MAP, {"$deleteFromPrimitiveList/finalizers": ["a/1"]}) is None


def test_maps_can_be_replaced_and_emptied():
    assert patched("ConfigMap", CONFIG_MAP, {"data": {"$patch": "replace", "only": "x"}})["data"] == {"only": "x"}
    assert patched("ConfigMap", CONFIG_MAP, {"data": {"$patch": "delete"}})["data"] == {}
    assert patched("ConfigMap", CONFIG_MAP, {"$patch": "delete"}) == {"kind": "ConfigMap", "apiVersion": "v1"}


def test_the_members_to_retain_can_be_named():
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    deployment = {"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"strategy": strategy}}
    document = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patched("Deployment", deployment, document, "apps/v1")["spec"]["strategy"] == {"type": "Recreate"}


def test_containers_merge_by_name_and_their_lists_by_their_own_keys():
    container = {"name": "c", "env": [{"name": "A", "value": "1"}], "args": ["x"], "ports": [{"containerPort": 80}]}
    pod = {"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [container, {"name": "s"}]}}
    change = {"name": "c", "env": [{"name": "B", "value": "2"}], "args": ["y"], "ports": [{"containerPort": 443}]}
    changed, sidecar = patched("Pod", pod, {"spec": {"containers": [change]}})["spec"]["containers"]
    assert changed == {
        "name": "c",
        "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
        "args": ["y"],
        "ports": [{"containerPort": 443}, {"containerPort": 80}],
    }
    assert sidecar == {"name": "s"}


def test_directives_without_anything_to_merge_with_are_dropped():
    assert patched("ConfigMap", CONFIG_MAP, {"metadata": {"labels": {"$patch": "bogus", "a": None}}}) == {
        **CONFIG_MAP,
        "metadata": {"name": "a", "labels": {}},
    }


def test_the_kind_of_the_object_stays():
    assert patched("ConfigMap", CONFIG_MAP, {"kind": "Secret", "apiVersion": "v2"}) == CONFIG_MAP
    assert patched("ConfigMap", CONFIG_MAP, "null") == CONFIG_MAP


UNMERGEABLE = [
    (
        {"status": {"conditions": [{"status": "True"}]}},
        "map: map[status:True] does not contain declared merge key: type",
    ),
    (
        {"metadata": {"$setElementOrder/finalizers": ["c/3"], "finalizers": ["d/4"]}},
        "The order in patch list:\n[d/4]\n doesn't match $setElementOrder list:\n[c/3]\n",
    ),
    (
        {"status": {"conditions": [{"type": "Ready", "$patch": "what"}]}},
        "unknown patch type: what in map: map[$patch:what type:Ready]",
    ),
    ({"status": {"conditions": [{"$patch": "merge"}]}}, "merging lists cannot yet be specified in the patch"),
    ({"status": {"$patch": "what"}}, "unknown patch type: what in map: map[$patch:what]"),
    ({"status": {"$retainKeys": ["x"], "phase": "y"}}, "invalid patch format of retainKeys"),
    ({"status": {"$setElementOrderconditions": []}}, "invalid patch format of setElementOrder list"),
    (
        {"status": {"$setElementOrder/x": []}},
        'unable to find api field in struct NodeStatus for the json field "x"',
    ),
    (
        {"status": {"$setElementOrder/conditions": {}}},
        "expected a []interface {}, but received a map[string]interface {}",
    ),
    ({"status": {"conditions": [5]}}, "list element types are not identical: [[map[status:True type:A]] [5]]"),
]


@pytest.mark.parametrize(("document", "why"), UNMERGEABLE)
def test_what_cannot_be_merged_is_a_500_without_reason(document, why):
    target = {**node(conditions=conditions("A")), "metadata": {"name": "n1", "finalizers": ["x/1"]}}
    status = refusal(patched, "Node", target, document).status
    assert (status["code"], status["message"]) == (500, why)
    assert "reason" not in status


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ("", "unexpected end of JSON input"),
        ("data: {k: w}", "invalid character 'd' looking for beginning of value"),
    ],
)
def test_a_malformed_strategic_patch_is_400(document, why):
    refused = refusal(strategic.read, body(document))
    assert (refused.code, refused.message) == (400, why)


def test_what_no_longer_fits_the_type_is_422_and_quoted():
    status = failures.undecodable({"data": "str"}, "why").status
    assert status["message"] == ' "" is invalid: patch: Invalid value: "{\\"data\\":\\"str\\"}": why'
    assert status["details"] == {
        "causes": [
            {
                "reason": "FieldValueInvalid",
                "message": 'Invalid value: "{\\"data\\":\\"str\\"}": why',
                "field": "patch",
            }
        ]
    }
    quoted = failures.undecodable_strategic({"status": {"c": [{"a": 5, "b": None}]}}, "why").message
    assert quoted == ' "" is invalid: patch: Invalid value: "map[status:map[c:[map[a:5 b:<nil>]]]]": why'


NAMES = st.lists(st.sampled_from("ABCDEF"), unique=True, max_size=5)


@given(NAMES, NAMES)
def test_every_item_of_object_and_patch_is_there_once(old, new):
    result = patched("Node", node(conditions=conditions(*old)), {"status": {"conditions": conditions(*new)}})
    assert sorted(types(result)) == sorted({*old, *new})


@given(NAMES, NAMES)
def test_untouched_items_keep_their_order_and_so_do_those_of_the_patch(old, new):
    result = types(patched("Node", node(conditions=conditions(*old)), {"status": {"conditions": conditions(*new)}}))
    assert [name for name in result if name not in new] == [name for name in old if name not in new]
    assert [name for name in result if name in new] == new


@given(NAMES, st.permutations("ABCDEF"))
def test_a_full_order_decides_alone(old, order):
    document = {"status": {"$setElementOrder/conditions": [{"type": name} for name in order]}}
    result = patched("Node", node(conditions=conditions(*old)), document)
    assert types(result) == [name for name in order if name in old]


@given(st.dictionaries(st.sampled_from("abc"), st.none() | st.sampled_from("xy")))
def test_without_lists_and_directives_it_is_a_merge_patch(data):
    document = {"data": data}
    assert patched("ConfigMap", CONFIG_MAP, document)["data"] == merge.apply(document, CONFIG_MAP)["data"]


def test_an_operation_without_a_value_sets_null():
    assert operations.apply([{"op": "add", "path": "/data/new"}], CONFIG_MAP)["data"]["new"] is None
