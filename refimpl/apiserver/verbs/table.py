"""Server-side printing: objects as rows of a `Table`, as kubectl asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from refimpl.api.errors import Object, bad_request
from refimpl.apiserver.strategy import Column
from refimpl.apiserver.verbs.call import Call

GROUP = "meta.k8s.io"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""An annotation in which DaemonSets carry a field of older versions."""


DEFAULT_COLUMNS = (
    Column("Name", lambda obj, _: obj["metadata"]["name"], format="name", documents="metadata.name"),
    Column(
        "Created At",
        lambda obj, _: obj["metadata"].get("creationTimestamp"),
        type="date",
        documents="metadata.creationTimestamp",
    ),
)
"""What kinds without columns of their own print."""


def columns_of(call: Call) -> Sequence[Column]:
    """The columns of the target's kind."""
    return DEFAULT_COLUMNS if call.strategy.columns is None else call.strategy.columns


def definitions(call: Call) -> list[Object]:
    """The head of a Table."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description or call.describe(column.documents),
            "priority": column.priority,
        }
        for column in columns_of(call)
    ]


def table(call: Call, version: str, objects: Iterable[Object], metadata: Object, *, head: bool = True) -> Object:
    """A Table of objects.

    Args:
        call: the request; its `includeObject` says how much of each object goes with its row.
        version: of `meta.k8s.io`.
        objects: one a row.
        metadata: of the list, or of the object the Table is made of.
        head: whether the columns are described; in a watch only the first event does.

    Raises:
        ApiError: 400, `includeObject` is none of None, Metadata, Object.
    """
    include = call.request.parameter("includeObject") or "Metadata"
    if include not in {"None", "Metadata", "Object"}:
        raise bad_request(f'unrecognized includeObject value: "{include}"')
    return {
        "kind": "Table",
        "apiVersion": f"{GROUP}/{version}",
        "metadata": metadata,
        "columnDefinitions": definitions(call) if head else None,
        "rows": [_row(call, version, obj, include) for obj in objects],
    }


def _row(call: Call, version: str, obj: Object, include: str) -> Object:
    row: Object = {"cells": [column.cell(obj, call.clock) for column in columns_of(call)]}
    conditions = call.strategy.row_conditions(obj)
    if conditions:
        row["conditions"] = conditions
    match include:
        case "Metadata":
            row["object"] = partial(obj, version)
        case "Object":
            row["object"] = obj
        case _:
            row["object"] = None
    return row


def partial(obj: Object, version: str) -> Object:
    """Only the metadata of an object; what is made of the spec for older versions is no part of it."""
    metadata = obj["metadata"]
    annotations = metadata.get("annotations")
    if annotations and TEMPLATE_GENERATION in annotations:
        kept = {key: value for key, value in annotations.items() if key != TEMPLATE_GENERATION}
        metadata = {key: value for key, value in metadata.items() if key != "annotations"}
        metadata |= {"annotations": kept} if kept else {}
    return {"kind": "PartialObjectMetadata", "apiVersion": f"{GROUP}/{version}", "metadata": metadata}
