"""Nothing is created in a namespace that is missing or going, and the system's namespaces stay.

Source: kube-apiserver 1.36 `plugin/namespace/lifecycle`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import ApiError, Cause, Object, forbidden, not_found
from refimpl.api.resources import NAMESPACES
from refimpl.apiserver.strategy import Context

CONCERNS: Final = None

PROTECTED: Final = frozenset({"default", "kube-system", "kube-public"})


def admit(ctx: Context, _old: Object | None, _new: Object | None) -> None:
    """See `chain.Plugin`."""
    if ctx.operation == "DELETE" and ctx.resource is NAMESPACES and ctx.name in PROTECTED:
        raise forbidden(NAMESPACES, ctx.name, "this namespace may not be deleted")
    if ctx.operation == "CREATE" and ctx.resource.namespaced and ctx.resource.stored:
        require_active(ctx)


def require_active(ctx: Context) -> None:
    """The namespace of the request exists and is not terminating."""
    namespace = ctx.reader.fields(NAMESPACES, ctx.namespace)
    if namespace is None:
        raise not_found(NAMESPACES, ctx.namespace)
    if namespace["status.phase"] == "Terminating":
        raise terminating(ctx)


def terminating(ctx: Context) -> ApiError:
    """403: the namespace is on its way out."""
    why = f"unable to create new content in namespace {ctx.namespace} because it is being terminated"
    cause = Cause("NamespaceTerminating", f"namespace {ctx.namespace} is being terminated", "metadata.namespace")
    return forbidden(ctx.resource, ctx.name, why, [cause])
