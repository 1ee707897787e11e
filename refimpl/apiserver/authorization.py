"""Whether a user may do something: a list of authorizers, each of which allows, denies or has no opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from refimpl.api.http import User


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
