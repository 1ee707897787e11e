"""`componentstatuses`: an old, deprecated list of the control plane's parts that nobody stores.

This server knows of its store only; whether a scheduler or controller manager runs elsewhere it cannot say.
"""

from __future__ import annotations

from refimpl.api.errors import Object, not_found
from refimpl.api.resources import COMPONENTSTATUSES
from refimpl.apiserver.call import Answer, Call

_DEPRECATED = "v1 ComponentStatus is deprecated in v1.19+"
_STORE = "etcd-0"


async def get(call: Call) -> Answer:
    """The state of one part.

    Raises:
        ApiError: 404.
    """
    call.warnings.append(_DEPRECATED)
    if call.target.name != _STORE:
        raise not_found(COMPONENTSTATUSES, call.target.name)
    return Answer(200, obj={"kind": "ComponentStatus", "apiVersion": "v1", **_store()})


async def find(call: Call) -> Answer:
    """The state of all parts."""
    call.warnings.append(_DEPRECATED)
    items = [_store()]
    return Answer(
        200, obj={"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items}, plain=True
    )


def _store() -> Object:
    condition = {"type": "Healthy", "status": "True", "message": "ok"}
    return {"metadata": {"name": _STORE}, "conditions": [condition]}
