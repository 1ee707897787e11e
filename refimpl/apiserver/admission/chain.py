"""The chain of admission plug-ins."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Final, Protocol

from refimpl.api.errors import Object
from refimpl.api.resources import Resource
from refimpl.apiserver.admission import (
    defaultstorageclass,
    defaulttolerationseconds,
    escalation,
    namespacelifecycle,
    noderestriction,
    nodetaint,
    priority,
    runtimeclass,
    storageprotection,
)
from refimpl.apiserver.strategy import Context


class Plugin(Protocol):
    """One admission plug-in: a module of this package.

    Attributes:
        CONCERNS: the resources whose writes it looks at; None for all.
    """

    @property
    def CONCERNS(self) -> Collection[Resource] | None:  # noqa: N802, D102 - a constant of the module
        ...

    def admit(self, ctx: Context, old: Object | None, new: Object | None, /) -> None:
        """Changes `new` in place, or raises `ApiError` to refuse.

        Args:
            ctx: the request.
            old: the stored object; None on create.
            new: the object to be written; None on delete.
        """


PLUGINS: Final[Mapping[str, Plugin]] = {
    "NamespaceLifecycle": namespacelifecycle,
    "NodeRestriction": noderestriction,
    "TaintNodesByCondition": nodetaint,
    "Priority": priority,
    "DefaultTolerationSeconds": defaulttolerationseconds,
    "StorageObjectInUseProtection": storageprotection,
    "DefaultStorageClass": defaultstorageclass,
    "RuntimeClass": runtimeclass,
}
"""Every plug-in by its name, in the order of kube-apiserver 1.36."""


@cache
def chain(disabled: tuple[str, ...], resource: Resource) -> tuple[Plugin, ...]:
    """The plug-ins that look at a resource and are not switched off.

    What is said about handing on rights cannot be switched off.
    """
    enabled = (*(plugin for name, plugin in PLUGINS.items() if name not in disabled), escalation)
    return tuple(plugin for plugin in enabled if plugin.CONCERNS is None or resource in plugin.CONCERNS)


def admit(ctx: Context, old: Object | None, new: Object | None) -> None:
    """Runs every plug-in over one write.

    Args:
        ctx: the request.
        old: the stored object; None on create.
        new: the object to be written, changed in place; None on delete.

    Raises:
        ApiError: a plug-in refuses.
    """
    for plugin in chain(ctx.settings.disable_admission_plugins, ctx.resource):
        plugin.admit(ctx, old, new)
