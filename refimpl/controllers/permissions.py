"""What the controllers need the rights for, when they all ask as one user.

kube-controller-manager either asks for each controller as that controller's service account, or (its default) for all
as itself. Its own role then does not do: an operator gives it the controllers' roles too. So does whoever starts the
reference.
"""

from __future__ import annotations

import asyncio
from typing import Final

from refimpl.api.errors import ApiError, Object
from refimpl.api.http import User
from refimpl.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES
from refimpl.client.client import Client

CONTROLLER_MANAGER: Final = User("system:kube-controller-manager", ("system:authenticated",))
_GROUP: Final = "rbac.authorization.k8s.io"
_PREFIX: Final = "system:controller:"


async def grant(admin: Client) -> None:
    """Gives the controller manager the roles of all controllers, those it has not yet.

    Args:
        admin: a client that may do this.

    Raises:
        ApiError, Unreachable: refused.
    """
    roles = [role["metadata"]["name"] for role in (await admin.list(CLUSTERROLES))["items"]]
    async with asyncio.TaskGroup() as group:
        for role in roles:
            if role.startswith(_PREFIX):
                group.create_task(_bind(admin, binding(role)), name=f"bind {role}")


def binding(role: str) -> Object:
    """What gives the controller manager one role."""
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"node-contract:{role.removeprefix(_PREFIX)}"},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": _GROUP, "kind": "User", "name": CONTROLLER_MANAGER.name}],
    }


async def _bind(admin: Client, body: Object) -> None:
    try:
        await admin.create(CLUSTERROLEBINDINGS, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
