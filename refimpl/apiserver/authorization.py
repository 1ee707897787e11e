"""Whether a user may do something: a list of authorizers, each of which allows, denies or has no opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

import attrs

from refimpl.api.errors import ApiError, failure, forbidden
from refimpl.api.http import Request, User
from refimpl.api.resources import NAMESPACES
from refimpl.apiserver.paths import Target


@attrs.frozen
class Attributes:
    """What somebody wants to do.

    Attributes:
        user: who.
        verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; outside of resources
            the HTTP method in lower case.
        group: API group of the resource.
        resource: plural; empty outside of resources.
        subresource: e.g. `status`.
        namespace: empty at cluster scope.
        name: of the object; empty for collections.
        path: of the URL, outside of resources.
    """

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@attrs.frozen
class Decision:
    """An authorizer's word.

    Attributes:
        allowed: whether it may be done.
        reason: why (not), for people.
    """

    allowed: bool
    reason: str = ""


Authorizer = Callable[[Attributes], Decision | None]
"""Decides, or returns None when it has no opinion."""


def always_allow(_: Attributes) -> Decision:
    """The authorizer of a cluster without rights."""
    return Decision(allowed=True)


def authorize(authorizers: Sequence[Authorizer], attributes: Attributes) -> Decision:
    """The first decision; what no authorizer allows is denied."""
    for authorizer in authorizers:
        decision = authorizer(attributes)
        if decision is not None:
            return decision
    return Decision(allowed=False)


_VERBS = MappingProxyType({"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "HEAD": "get"})


def attributes_of(request: Request, target: Target | None, *, watch: bool) -> Attributes:
    """What a request wants to do.

    Args:
        request: as received, with its user.
        target: what its URL names; None outside of resources.
        watch: whether it asks for a watch.
    """
    if target is None:
        return Attributes(request.user, request.method.lower(), path=request.path)
    resource = target.resource
    about = Attributes(
        request.user,
        _VERBS.get(request.method, "get"),
        group=resource.group,
        resource=resource.plural,
        subresource=target.subresource,
        namespace=target.namespace,
        name=target.name,
    )
    if resource is NAMESPACES:
        about = attrs.evolve(about, namespace=target.name)
    if request.method == "GET" and (watch or not target.name):
        return attrs.evolve(about, verb="watch" if watch else "list")
    if request.method == "DELETE" and not target.name:
        return attrs.evolve(about, verb="deletecollection")
    return about


def check(authorizers: Sequence[Authorizer], request: Request, target: Target | None, *, watch: bool) -> None:
    """Lets a request through, or not.

    Raises:
        ApiError: 403, with the text of kube-apiserver 1.36.
    """
    if len(authorizers) == 1 and authorizers[0] is always_allow:
        return
    wanted = attributes_of(request, target, watch=watch)
    decision = authorize(authorizers, wanted)
    if not decision.allowed:
        raise refusal(wanted, target, decision.reason)


def refusal(wanted: Attributes, target: Target | None, reason: str) -> ApiError:
    """The answer to somebody who may not."""
    who = f'User "{wanted.user.name}"'
    if target is None:
        text = f'forbidden: {who} cannot {wanted.verb} path "{wanted.path}"'
        return failure(403, "Forbidden", f"{text}: {reason}" if reason else text, {})
    what = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    text = f'{who} cannot {wanted.verb} resource "{what}" in API group "{wanted.group}" {where}'
    return forbidden(target.resource, wanted.name, f"{text}: {reason}" if reason else text)
