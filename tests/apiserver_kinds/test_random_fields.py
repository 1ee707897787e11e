"""Objects with fields of the right type and senseless values: each is kept or refused, and nothing breaks."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.http import Request
from refimpl.api.resources import Resource
from refimpl.api.schema import ListOf, MapOf, Scalar, Struct, Type, of_kind
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock, run, virtual_loop
from refimpl.storage.memory import MemoryStore
from tests.apiserver_kinds.test_every_kind import ROWS, body

AS_TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
TEXTS = (
    *(
        "",
        "x",
        "A_b",
        "é",
        "x" * 300,
        "a/b",
        "../x",
        "/tmp",
        "nginx:1.2",
        "10.0.0.1",
        "fd00::1",
        "10.96.0.0/16",
        "1/33",
    ),
    *("Always", "Never", "TCP", "UDP", "Exists", "In", "Gt", "NoExecute", "NodePort", "None", "ExternalName", "IPv6"),
    *(
        "Local",
        "RollingUpdate",
        "True",
        "Ready",
        "Block",
        "ReadWriteOnce",
        "kubernetes.io/tls",
        "*/5 * * * *",
        "Indexed",
    ),
    *("50%", "150%", "metadata.name", "limits.cpu", "Node", "Role", "system-node-critical", "Warning", "$(A)", "HTTP"),
)
KEYS = ("cpu", "memory", "storage", "hugepages-2Mi", "a", "a/b", "A b", "", "kubernetes.io/hostname", "tls.crt")
WHOLE = (0, 1, -1, 5, 80, 30000, 65536, 2**31 - 1, -(2**31))
VALUES: dict[str, tuple[Any, ...]] = {
    "s": TEXTS,
    "i": WHOLE,
    "l": WHOLE,
    "f": (0.5,),
    "b": (True, False),
    "y": ("", "eA=="),
    "t": ("2017-07-18T09:00:00Z", "2037-01-01T00:00:00Z"),
    "T": ("2017-07-18T09:00:00.000000Z",),
    "q": ("0", "1", "100m", "1Gi", "-1", "1.5", "0.0001", "1e30", 5),
    "x": (0, -1, 80, "", "50%", "150%", "http", "x y"),
    "*": ({"a": 1},),
}


def made_up(rng: random.Random, kind: Type, share: float) -> Any:
    """A value of the type; structs get about that share of their fields."""
    match kind:
        case Scalar():
            return rng.choice(VALUES[kind.code])
        case ListOf():
            return [made_up(rng, kind.item, share) for _ in range(rng.choice((0, 1, 1, 2)))]
        case MapOf():
            return {rng.choice(KEYS): made_up(rng, kind.item, share) for _ in range(rng.choice((0, 1, 2)))}
    return {
        name: made_up(rng, field.type, share * 0.8)
        for name, field in kind.fields.items()
        if rng.random() < share and name not in {"managedFields", "resourceVersion"}
    }


def structs(value: Any, kind: Type) -> list[tuple[Object, Struct]]:
    """Every struct in a value, with its type."""
    if isinstance(kind, ListOf) and isinstance(value, list):
        return [found for item in value for found in structs(item, kind.item)]
    if isinstance(kind, MapOf) and isinstance(value, dict):
        return [found for item in value.values() for found in structs(item, kind.item)]
    if not isinstance(kind, Struct) or not isinstance(value, dict):
        return []
    below = [found for name, field in kind.fields.items() for found in structs(value.get(name), field.type)]
    return [(value, kind), *below]


def altered(rng: random.Random, row: Resource, obj: Object) -> Object:
    """The object with one to three fields set or dropped."""
    kind = of_kind(row.api_version, row.kind)
    assert kind is not None
    result = copy.deepcopy(obj)
    identity = {key: result["metadata"][key] for key in ("name", "resourceVersion") if key in result["metadata"]}
    for _ in range(rng.choice((1, 1, 2, 3))):
        place, struct = rng.choice(structs(result, kind))
        name, field = rng.choice(list(struct.fields.items()))
        if name in place and rng.random() < 0.25:
            del place[name]
        else:
            place[name] = made_up(rng, field.type, 0.5)
    result |= {"apiVersion": row.api_version, "kind": row.kind}
    result["metadata"] = {**result.get("metadata", {}), **identity}
    return result


async def live(rng: random.Random, row: Resource) -> list[int]:
    """Creates, changes, lists and deletes an object; answers the statuses."""
    server = ApiServer(MemoryStore(), Clock.virtual())
    await server.start()
    statuses: list[int] = []

    async def send(method: str, path: str, obj: Object | None = None, **headers: str) -> Object:
        data = b"" if obj is None else json.dumps(obj).encode()
        response = await server.handle(Request(method, path, (), headers, data))
        statuses.append(response.status)
        assert isinstance(response.body, bytes)
        answer: Object = json.loads(response.body)
        return answer if response.status < 300 else {}

    plain = {"metadata": {"name": "x"}, **copy.deepcopy(body(row))}
    kept = await send("POST", row.path("default"), altered(rng, row, plain))
    kept = kept or await send("POST", row.path("default"), plain)
    paths = [row.path("default", "x")]
    if "status" in row.subresources:
        paths.append(f"{paths[0]}/status")
    for _ in range(5):
        kept = await send("PUT", rng.choice(paths), altered(rng, row, kept)) or kept
    await send("GET", row.path("default"), None, **AS_TABLE)
    await send("DELETE", paths[0])
    await server.close()
    return statuses


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.qualified_plural)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_field_can_be_answered(row: Resource, seed: int) -> None:
    statuses = run(live(random.Random(seed), row), loop_factory=virtual_loop)
    assert max(statuses) < 500
