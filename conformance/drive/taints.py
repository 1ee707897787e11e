"""Changing the taints of a simulated node, as an administrator would."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from conformance.client import ApiRefused
from conformance.kinds import NODE
from conformance.naming import DOMAIN

if TYPE_CHECKING:
    from conformance.drive.stage import Stage

_ATTEMPTS = 10
_PAUSE = 0.05


def own_key(name: str) -> str:
    """The key of a taint that no controller knows."""
    return f"{DOMAIN}/{name}"


def own(name: str, effect: str = "NoExecute", **more: str) -> dict[str, str]:
    """A taint that no controller knows; `more` may hold `value` and `timeAdded`."""
    return {"key": own_key(name), "effect": effect, **more}


async def change(
    stage: Stage, role: str, request: str, *, add: Iterable[Mapping[str, Any]] = (), remove: Iterable[str] = ()
) -> None:
    """Adds and removes taints of a node in one write and leaves all others as they are.

    Marks `<request> sent` and `<request> answered`.

    Args:
        stage: where the node lives.
        role: what it plays.
        request: names the change.
        add: taints to add.
        remove: keys of taints to remove.

    Raises:
        ApiRefused: the API did not want it, or somebody else kept changing the node.
    """
    path = NODE.path(name=stage.naming.name(role))
    gone, new = set(remove), [dict(taint) for taint in add]
    added = {(taint["key"], taint["effect"]) for taint in new}
    with stage.request(request):
        for attempt in range(1, _ATTEMPTS + 1):
            node = await stage.client.get(path)
            there = [taint for taint in node["spec"].get("taints") or [] if taint["key"] not in gone]
            kept = [taint for taint in there if (taint["key"], taint["effect"]) not in added]
            version = {"resourceVersion": node["metadata"]["resourceVersion"]}
            body = {"metadata": version, "spec": {"taints": [*kept, *new]}}
            try:
                await stage.client.patch(path, body)
            except ApiRefused as error:
                if error.status != 409 or attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                return
