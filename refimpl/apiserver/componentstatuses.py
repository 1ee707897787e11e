"""`componentstatuses`: an old, deprecated list of the control plane's parts that nobody stores.

This server knows of its store only; whether a scheduler or controller manager runs elsewhere it cannot say.
"""

from __future__ import annotations

from typing import ClassVar, Final

import attrs

from refimpl.api.errors import Object, failure
from refimpl.api.http import Response
from refimpl.apiserver.kinds import printing
from refimpl.apiserver.kinds.kind import Kind
from refimpl.apiserver.objects.cache import Entry
from refimpl.apiserver.strategy import Column
from refimpl.apiserver.verbs import rendering, selection, table
from refimpl.apiserver.verbs.call import Answer, Call
from refimpl.clock import Clock

_DEPRECATED = "v1 ComponentStatus is deprecated in v1.19+"
_STORE = "etcd-0"


async def get(call: Call) -> Response:
    """The state of one part.

    Raises:
        ApiError: 500, there is no such part.
    """
    call.warnings.append(_DEPRECATED)
    if call.target.name != _STORE:
        raise failure(500, "", f"Component not found: {call.target.name}")
    answer = Answer(200, obj={"kind": "ComponentStatus", "apiVersion": "v1", **_store()})
    return rendering.render(attrs.evolve(call, strategy=SHOWN), answer)


async def find(call: Call) -> Response:
    """The state of all parts, or of those selected.

    Raises:
        ApiError: 400 for a selector that cannot be read.
    """
    call.warnings.append(_DEPRECATED)
    entry = Entry(("", _STORE), 0, b"", {}, {"metadata.name": _STORE})
    items = [_store()] if selection.select(call).matches(entry) else []
    if call.form.transform == "Table":
        shown = table.table(attrs.evolve(call, strategy=SHOWN), call.form.version, items, {})
    else:
        shown = {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items}
    return rendering.render(call, Answer(200, obj=shown, plain=True))


def _store() -> Object:
    condition = {"type": "Healthy", "status": "True", "message": "ok"}
    return {"metadata": {"name": _STORE}, "conditions": [condition]}


def _health(obj: Object) -> Object:
    found: Object = next((condition for condition in obj["conditions"] if condition["type"] == "Healthy"), {})
    return found


def _status(obj: Object, _clock: Clock) -> str:
    return {"True": "Healthy", "False": "Unhealthy"}.get(_health(obj).get("status", ""), "Unknown")


class ComponentStatuses(Kind):
    """How the state of the parts is shown in a Table."""

    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Status", _status, description="Status of the component conditions"),
        Column("Message", lambda obj, _: _health(obj).get("message", ""), description="Message of the condition"),
        Column("Error", lambda obj, _: _health(obj).get("error", ""), description="Error of the condition"),
    )


SHOWN: Final = ComponentStatuses()
