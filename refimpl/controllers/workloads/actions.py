"""What a decision asks for: values that a thin loop turns into API calls, in order.

A refused action ends the list: what follows is decided again from the state that results.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import Resource
from refimpl.client.client import Client
from refimpl.client.events import EventRecorder


@attrs.frozen
class Create:
    """Creates an object."""

    resource: Resource
    body: Object


@attrs.frozen
class Update:
    """Replaces an object; the resourceVersion in it guards against a stale cache."""

    resource: Resource
    body: Object
    subresource: str | None = None


@attrs.frozen
class Delete:
    """Deletes the object of that uid; one already gone is fine."""

    resource: Resource
    obj: Object
    propagation: str | None = None


@attrs.frozen
class Event:
    """Records an event."""

    about: Object
    kind: str
    reason: str
    message: str


@attrs.frozen
class After:
    """Decides again after so many seconds."""

    seconds: float


Action = Create | Update | Delete | Event | After


def spec_changed(obj: Object, **fields: Any) -> Object:
    """A copy of the object with other `spec` fields; the object given stays as it is."""
    return {**obj, "spec": {**obj["spec"], **fields}}


def annotated(obj: Object, annotations: dict[str, str]) -> Object:
    """A copy of the object with further annotations."""
    merged = {**(obj["metadata"].get("annotations") or {}), **annotations}
    return {**obj, "metadata": {**obj["metadata"], "annotations": merged}}


async def carry_out(actions: Iterable[Action], client: Client, recorder: EventRecorder) -> float | None:
    """Does one after the other.

    Returns:
        Seconds after which the decision wants to be made again (the shortest `After`), or None.

    Raises:
        ApiError, Unreachable: an action was refused; the later ones were not tried.
    """
    wait: float | None = None
    for action in actions:
        match action:
            case After(seconds):
                wait = seconds if wait is None else min(wait, seconds)
            case Event(about, kind, reason, message):
                recorder.event(about, kind, reason, message)
            case _:
                await _call(action, client)
    return wait


async def _call(action: Create | Update | Delete, client: Client) -> None:
    match action:
        case Create(resource, body):
            await client.create(resource, body)
        case Update(resource, body, subresource):
            await client.update(resource, body, subresource=subresource)
        case Delete(resource, obj, propagation):
            await delete(client, resource, obj, propagation)


async def delete(client: Client, resource: Resource, obj: Object, propagation: str | None = None) -> None:
    """Deletes exactly this object; fine when it is gone or its name belongs to another one by now."""
    metadata = obj["metadata"]
    try:
        await client.delete(
            resource,
            metadata["name"],
            namespace=metadata.get("namespace"),
            uid=metadata["uid"],
            propagation=propagation,
        )
    except ApiError as error:
        if error.code not in {404, 409}:
            raise
