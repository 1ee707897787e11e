"""The chain of admission plug-ins."""

from __future__ import annotations

from typing import Final, Protocol

from refimpl.api.errors import Object
from refimpl.apiserver.admission import (
    defaultstorageclass,
    defaulttolerationseconds,
    namespacelifecycle,
    nodetaint,
    priority,
    runtimeclass,
    storageprotection,
)
from refimpl.apiserver.strategy import Context


class Plugin(Protocol):
    """One admission plug-in: a module of this package."""

    def admit(self, ctx: Context, old: Object | None, new: Object | None, /) -> None:
        """Changes `new` in place, or raises `ApiError` to refuse.

        Args:
            ctx: the request.
            old: the stored object; None on create.
            new: the object to be written; None on delete.
        """


CHAIN: Final[tuple[Plugin, ...]] = (
    namespacelifecycle,
    nodetaint,
    priority,
    defaulttolerationseconds,
    storageprotection,
    defaultstorageclass,
    runtimeclass,
)
"""Every plug-in, in the order of kube-apiserver 1.36."""


def admit(ctx: Context, old: Object | None, new: Object | None) -> None:
    """Runs every plug-in over one write.

    Args:
        ctx: the request.
        old: the stored object; None on create.
        new: the object to be written, changed in place; None on delete.

    Raises:
        ApiError: a plug-in refuses.
    """
    for plugin in CHAIN:
        plugin.admit(ctx, old, new)
