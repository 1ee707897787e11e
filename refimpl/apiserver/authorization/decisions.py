"""Asking the authorizers, and what is said to somebody who may not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from refimpl.api.errors import ApiError, failure, forbidden
from refimpl.api.http import Request
from refimpl.api.resources import Resource
from refimpl.apiserver.authorization.attributes import Attributes, attributes_of
from refimpl.apiserver.paths import Target

PRIVILEGED: Final = "system:masters"
"""The group that may do everything, whatever the authorizers say."""


@attrs.frozen
class Decision:
    """An authorizer's word.

    Attributes:
        allowed: whether it may be done.
        reason: why (not), for people.
        final: nobody else is asked; an authorizer that only does not allow something leaves it to others.
    """

    allowed: bool
    reason: str = ""
    final: bool = True


ALLOWED: Final = Decision(allowed=True)

Authorizer = Callable[[Attributes], Decision | None]
"""Decides, or returns None when it has no opinion."""


def always_allow(_: Attributes) -> Decision:
    """The authorizer of a cluster without rights."""
    return ALLOWED


def always_deny(_: Attributes) -> Decision:
    """The authorizer of a cluster that nobody may use."""
    return Decision(allowed=False, reason="Everything is forbidden.", final=False)


def privileged(attributes: Attributes) -> Decision | None:
    """Members of `system:masters` may do everything."""
    return ALLOWED if PRIVILEGED in attributes.user.groups else None


def authorize(authorizers: Sequence[Authorizer], attributes: Attributes) -> Decision:
    """The first decision that is final; what no authorizer allows is denied, with everybody's reasons."""
    reasons = []
    for authorizer in authorizers:
        decision = authorizer(attributes)
        if decision is None:
            continue
        if decision.allowed or decision.final:
            return decision
        if decision.reason:
            reasons.append(decision.reason)
    return Decision(allowed=False, reason="\n".join(reasons), final=False)


def check(authorizers: Sequence[Authorizer], request: Request, target: Target | None, *, watch: bool) -> None:
    """Lets a request through, or not.

    Raises:
        ApiError: 403, with the text of kube-apiserver 1.36.
    """
    if len(authorizers) == 1 and authorizers[0] is always_allow:
        return
    require(authorizers, attributes_of(request, target, watch=watch))


def require(authorizers: Sequence[Authorizer], wanted: Attributes) -> None:
    """Like `check`, for attributes that are at hand."""
    decision = authorize(authorizers, wanted)
    if not decision.allowed:
        raise refusal(wanted, decision.reason)


def refusal(wanted: Attributes, reason: str) -> ApiError:
    """The answer to somebody who may not."""
    who = f'User "{wanted.user.name}"'
    if wanted.path:
        text = f'forbidden: {who} cannot {wanted.verb} path "{wanted.path}"'
        return failure(403, "Forbidden", f"{text}: {reason}" if reason else text, {})
    what = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    text = f'{who} cannot {wanted.verb} resource "{what}" in API group "{wanted.group}" {where}'
    resource = Resource(wanted.group, "", "", wanted.resource)
    return forbidden(resource, wanted.name, f"{text}: {reason}" if reason else text)
