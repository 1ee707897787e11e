"""Whether the watches told everything: connections can die without a sign, and silence then looks like the target's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from conformance.client import ApiClient
from conformance.kinds import LEASE, NODE_LEASES, Kind
from conformance.record.log import Log


async def unheard(client: ApiClient, log: Log, kinds: Iterable[Kind], selector: str, within: float) -> str:
    """Lists what there is and waits until the watches have told of it.

    Args:
        client: to list with.
        log: what the watches told.
        kinds: to look at; kinds without the run's labels are passed over.
        selector: label selector of the objects.
        within: seconds that a watch may be late.

    Returns:
        What was not told, in one line; empty when nothing was.

    Raises:
        ApiRefused: the target does not let the suite list a kind.
        NoAnswer: it does not answer.
    """
    for kind in kinds:
        if not kind.labelled:
            continue
        listing = await client.get(kind.path(NODE_LEASES if kind is LEASE else ""), labelSelector=selector)
        metadata = [item["metadata"] for item in listing.get("items") or []]
        missing = partial(_missing, log, kind, {each["name"]: each.get("resourceVersion", "") for each in metadata})
        if not await log.until(lambda missing=missing: not missing(), within):  # type: ignore[misc]
            name = missing()[0]
            return f"the watch on {kind.name} is blind: for {within:g} s it did not tell of the last change of {name}"
    return ""


def _missing(log: Log, kind: Kind, versions: dict[str, str]) -> list[str]:
    """Names of objects whose version was never told."""
    return [
        name
        for name, version in versions.items()
        if all(event.resource_version != version for event in reversed(log.story(kind.name, name).events))
    ]
