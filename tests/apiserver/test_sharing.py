"""What a patch leaves alone need not be read again."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import schema, typed
from refimpl.api.patch import merge
from refimpl.apiserver.verbs import sharing

NODE = schema.of_kind("v1", "Node")
assert NODE is not None

Conditions = st.lists(st.fixed_dictionaries({"type": st.sampled_from("ab"), "status": st.sampled_from(["True", ""])}))
Maps = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2Ki"]), max_size=2)
Nodes = st.fixed_dictionaries(
    {
        "kind": st.just("Node"),
        "apiVersion": st.just("v1"),
        "metadata": st.fixed_dictionaries({"name": st.just("n")}, optional={"labels": Maps}),
    },
    optional={
        "spec": st.fixed_dictionaries({}, optional={"unschedulable": st.booleans()}),
        "status": st.fixed_dictionaries({}, optional={"capacity": Maps, "conditions": Conditions}),
    },
)
Patches = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"labels": st.none() | Maps, "annotations": Maps}),
        "spec": st.none() | st.fixed_dictionaries({}, optional={"unschedulable": st.none() | st.booleans()}),
        "status": st.fixed_dictionaries({}, optional={"capacity": st.none() | Maps, "conditions": Conditions}),
    },
)


@given(node=Nodes, patch=Patches)
def test_reading_the_changed_part_is_reading_all(node: Any, patch: Any):
    known = typed.decode_struct(NODE, node)
    patched = merge.apply(patch, known)
    changed, kept = sharing.split(patched, known)
    assert sharing.join(typed.decode_struct(NODE, changed), kept, patched) == typed.decode_struct(NODE, patched)
