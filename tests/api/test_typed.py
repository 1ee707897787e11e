from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.api import jsontext, schema, strict, times, typed

ZERO_NODE_STATUS = {
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
    "nodeInfo": dict.fromkeys(
        (
            "architecture",
            "bootID",
            "containerRuntimeVersion",
            "kernelVersion",
            "kubeProxyVersion",
            "kubeletVersion",
            "machineID",
            "operatingSystem",
            "osImage",
            "systemUUID",
        ),
        "",
    ),
}


def node(**parts):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, **parts}


def read(obj, body=b""):
    return typed.decode(obj["apiVersion"], obj["kind"], obj, body)


def test_required_parts_are_shown_with_their_zero_values():
    assert read(node()) == node(spec={}, status=ZERO_NODE_STATUS)


def test_nulls_are_as_good_as_absent():
    assert read(node(spec=None, status=None)) == read(node())
    assert read({**node(), "metadata": {"name": "n1", "labels": None}}) == read(node())


def test_unknown_fields_are_dropped():
    assert read(node(bogus=1, spec={"bogus": {"a": 1}})) == read(node())


def test_empty_optional_values_are_left_out_but_what_pointers_point_to_stays():
    assert read(node(spec={"unschedulable": False, "podCIDR": "", "taints": []}))["spec"] == {}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"automountServiceAccountToken": False, "containers": []}}
    assert read(pod)["spec"] == {"automountServiceAccountToken": False, "containers": None}
    volume = {"name": "v", "emptyDir": {}}
    assert read({**pod, "spec": {"volumes": [volume]}})["spec"]["volumes"] == [volume]


def test_quantities_get_their_canonical_form():
    status = read(node(status={"capacity": {"cpu": 0.5, "memory": "1.5Gi", "pods": None, "x/y": "1.0001"}}))["status"]
    assert status["capacity"] == {"cpu": "500m", "memory": "1536Mi", "pods": "0", "x/y": "1001m"}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2017-07-18T09:00:00Z", "2017-07-18T09:00:00Z"),
        ("2017-07-18T09:00:00.123456Z", "2017-07-18T09:00:00Z"),
        ("2017-07-18T17:00:00+08:00", "2017-07-18T09:00:00Z"),
        ("0001-01-01T00:00:00Z", None),
        (None, None),
    ],
)
def test_times_are_stored_in_utc_seconds(written, stored):
    condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": written}
    (kept,) = read(node(status={"conditions": [condition]}))["status"]["conditions"]
    assert kept == {"type": "Ready", "status": "True", "lastHeartbeatTime": stored, "lastTransitionTime": None}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("yesterday", 'cannot parse "yesterday" as "2006"'),
        ("2017-07-18", 'cannot parse "" as "T"'),
        ("2017-07-18T09:00:00", 'cannot parse "" as "Z07:00"'),
    ],
)
def test_a_bad_time_is_refused_in_gos_words(text, why):
    with pytest.raises(ValueError, match="parsing time") as refusal:
        times.canonical(text)
    assert str(refusal.value) == f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": {why}'


def test_times_out_of_range_are_refused():
    for text, part in (
        ("2017-13-18T09:00:00Z", "month"),
        ("2017-02-30T09:00:00Z", "day"),
        ("2017-02-03T24:00:00Z", "hour"),
    ):
        with pytest.raises(ValueError, match=f"{part} out of range"):
            times.canonical(text)
    with pytest.raises(ValueError, match="extra text"):
        times.canonical("2017-07-18T09:00:00Zx")


def test_micro_times_have_exactly_six_digits():
    assert times.canonical_micro("2017-07-18T11:00:00.000001+02:00") == "2017-07-18T09:00:00.000001Z"
    with pytest.raises(ValueError, match=r'cannot parse "Z" as ".000000"'):
        times.canonical_micro("2017-07-18T09:00:00Z")


WRONG_TYPES = [
    ({"metadata": {"name": 5}}, "number", "ObjectMeta.metadata.name of type string"),
    ({"metadata": {"labels": {"a": 1}}}, "number", "ObjectMeta.metadata.labels of type string"),
    (
        {"metadata": {"labels": ["a"]}},
        "array",
        "ObjectMeta.metadata.labels of type map[string]string",
    ),
    ({"spec": {"unschedulable": "true"}}, "string", "NodeSpec.spec.unschedulable of type bool"),
    ({"spec": {"taints": {}}}, "object", "NodeSpec.spec.taints of type []v1.Taint"),
    ({"spec": {"taints": [5]}}, "number", "NodeSpec.spec.taints of type v1.Taint"),
    ({"spec": {"taints": [{"key": 5}]}}, "number", "Taint.spec.taints.key of type string"),
    (
        {"spec": {"taints": [{"effect": 5}]}},
        "number",
        "Taint.spec.taints.effect of type v1.TaintEffect",
    ),
    ({"spec": []}, "array", "Node.spec of type v1.NodeSpec"),
    (
        {"status": {"conditions": "x"}},
        "string",
        "NodeStatus.status.conditions of type []v1.NodeCondition",
    ),
]


@pytest.mark.parametrize(("parts", "found", "place"), WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_named_by_struct_and_path(parts, found, place):
    with pytest.raises(typed.DecodeError) as refusal:
        read({**node(), **parts})
    assert str(refusal.value) == f"json: cannot unmarshal {found} into Go struct field {place}"


@pytest.mark.parametrize("number", ["2.5", "1e2", "1.0", "2147483648", "99999999999999999999"])
def test_a_number_that_is_no_int32_is_quoted_as_it_was_written(number):
    body = f'{{"apiVersion":"v1","kind":"ReplicationController","spec":{{"replicas":{number}}}}}'.encode()
    with pytest.raises(typed.DecodeError) as refusal:
        read(jsontext.decode(body), body)
    place = "ReplicationControllerSpec.spec.replicas"
    assert str(refusal.value) == f"json: cannot unmarshal number {number} into Go struct field {place} of type int32"


def test_bad_quantities_times_and_base64_are_refused_without_a_path():
    with pytest.raises(typed.DecodeError, match=r"^quantities must match the regular expression"):
        read(node(status={"capacity": {"cpu": "lots"}}))
    with pytest.raises(typed.DecodeError, match=r"^json: cannot unmarshal number into Go value of type string$"):
        read(node(status={"conditions": [{"lastHeartbeatTime": 5}]}))
    with pytest.raises(typed.DecodeError, match=r"^illegal base64 data at input byte 0$"):
        read({"apiVersion": "v1", "kind": "Secret", "data": {"k": "v"}})
    with pytest.raises(typed.DecodeError, match=r"^illegal base64 data at input byte 4$"):
        read({"apiVersion": "v1", "kind": "Secret", "data": {"k": "YWJj*"}})
    with pytest.raises(typed.DecodeError, match=r"^json: cannot unmarshal bool into Go value of type int32$"):
        read({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1, "targetPort": True}]}})


def test_only_an_object_can_be_an_object():
    with pytest.raises(typed.DecodeError, match=r"^json: cannot unmarshal array into Go value of type v1.Node$"):
        typed.decode("v1", "Node", [])


def test_unknown_fields_are_named_in_the_order_of_the_body():
    obj = {"metadata": {"bogus": 1}, "spec": {"taints": [{"key": "a", "$patch": "delete"}]}, "extra": True}
    assert strict.unknown_fields("v1", "Node", obj) == [
        'unknown field "metadata.bogus"',
        'unknown field "spec.taints[0].$patch"',
        'unknown field "extra"',
    ]


def test_an_object_without_unknown_fields_has_none():
    assert strict.unknown_fields("v1", "Node", node(metadata={"labels": {"any": "key"}}, spec={"taints": None})) == []
    assert strict.unknown_fields("v1", "Martian", {"x": 1}) == []


def test_duplicate_and_unknown_fields_are_told_together():
    body = b'{"metadata":{"name":"d0","name":"d0"},"x":1,"data":{"k":"1"},"data":{"k":"2","k":"3"}}'
    assert strict.strict_errors("v1", "ConfigMap", jsontext.decode(body), body) == [
        'duplicate field "metadata.name"',
        'unknown field "x"',
        'duplicate field "data"',
        'duplicate field "data.k"',
    ]
    assert strict.duplicate_fields(b'{"data":{},"data":{}}') == ['duplicate field "data"']


def test_the_list_of_findings_is_bounded():
    many = {f"x{index}": 1 for index in range(200)}
    assert len(strict.unknown_fields("v1", "ConfigMap", many)) == strict.MOST


def values(kind: schema.Type, depth: int = 0) -> st.SearchStrategy:
    """Random values that fit a type."""
    match kind:
        case schema.Scalar(code=code):
            return {
                "s": st.text(max_size=3),
                "i": st.integers(-5, 2**31 - 1),
                "l": st.integers(-(2**63), 2**63 - 1),
                "f": st.integers(0, 5),
                "b": st.booleans(),
                "y": st.sampled_from(["", "YWJj", "YQ=="]),
                "t": st.sampled_from(["2017-07-18T17:00:00+08:00", "0001-01-01T00:00:00Z"]),
                "T": st.just("2017-07-18T17:00:00.000001+08:00"),
                "q": st.sampled_from(["1", 0.5, "1024Ki"]),
                "x": st.integers(0, 9) | st.text(max_size=3),
                "*": st.just({"any": []}),
            }[code]
        case schema.ListOf(item):
            return st.lists(values(item, depth + 1), max_size=2)
        case schema.MapOf(item):
            return st.dictionaries(st.text(max_size=2), values(item, depth + 1), max_size=2)
        case _ if depth > 4:
            return st.just({})
    chosen = st.lists(st.sampled_from(sorted(kind.fields)), max_size=3, unique=True) if kind.fields else st.just([])
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries(
            {name: st.none() | values(kind.fields[name].type, depth + 1) for name in names}
        )
    )


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from(["Node", "Pod", "Service", "ReplicationController", "Event", "Secret"]))
def test_what_a_typed_server_holds_it_reads_back_unchanged(data, kind):
    struct = schema.of_kind("v1", kind)
    obj = data.draw(values(struct))
    once = typed.decode_struct(struct, obj)
    assert typed.decode_struct(struct, json.loads(json.dumps(once))) == once
    assert strict.unknown_fields("v1", kind, obj) == []


def test_a_zero_creation_time_is_left_out():
    sent = {"metadata": {"creationTimestamp": "0001-01-01T00:00:00Z"}}
    assert "creationTimestamp" not in typed.decode("v1", "Node", sent)["metadata"]


def test_a_time_of_zero_that_need_not_be_there_is_left_out():
    held = typed.decode("v1", "Node", {"metadata": {"name": "n", "deletionTimestamp": "0001-01-01T00:00:00Z"}})
    assert "deletionTimestamp" not in held["metadata"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"spec": {"unschedulable": "yes"}}, "unrecognized type: bool"),
        ({"spec": {"taints": "x"}}, "cannot restore slice from string"),
        ({"metadata": {"labels": ["a"]}}, "cannot restore map from slice"),
        ({"metadata": {"labels": {"a": 1}}}, "cannot convert int64 to string"),
        ({"metadata": "x"}, "cannot restore struct from: string"),
        ({"metadata": {"name": True}}, "unrecognized type: string"),
        ({"metadata": {"generation": 1.5}}, "cannot convert float64 to int64"),
    ],
)
def test_a_tree_that_does_not_fit_is_told_in_other_words_than_a_text(value: dict, said: str) -> None:
    with pytest.raises(typed.DecodeError) as wrong:
        typed.decode("v1", "Node", value)
    assert wrong.value.restoring == said
    assert str(wrong.value).startswith("json: cannot unmarshal")
