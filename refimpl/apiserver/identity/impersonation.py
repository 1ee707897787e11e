"""Requests on behalf of somebody else: who may ask for what in whose name.

Two ways lead there. One is asked about the request itself and about the kind of identity (`impersonate-on:MODE:VERB`,
`impersonate:MODE`), the older one only about the names (`impersonate`). What the first way misses is what is said.

Source: apiserver 1.36 `endpoints/filters/impersonation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote

import attrs
import msgspec

from refimpl.api.errors import ApiError, bad_request
from refimpl.api.http import Request, User
from refimpl.apiserver.authorization import Attributes, Authorizer, attributes_of, authorize, refusal
from refimpl.apiserver.authorization.node import NODE_PREFIX, NODES_GROUP
from refimpl.apiserver.identity.authentication import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED
from refimpl.apiserver.paths import Target

_GROUP: Final = "authentication.k8s.io"
_ACCOUNT: Final = "system:serviceaccount:"
_ACCOUNTS: Final = "system:serviceaccounts"
_NODE: Final = "arbitrary-node"
_EXTRA: Final = "impersonate-extra-"


@attrs.frozen
class Wanted:
    """Whom somebody wants to be.

    Attributes:
        name: user name.
        groups: as asked for, without those that come by themselves.
        uid: empty for none.
        extra: keys with values.
    """

    name: str
    groups: tuple[str, ...]
    uid: str
    extra: tuple[tuple[str, str], ...]

    @property
    def plain(self) -> bool:
        """Whether nothing but the name is asked for."""
        return not (self.groups or self.uid or self.extra)


def impersonated(authorizers: Sequence[Authorizer], request: Request, target: Target | None, *, watch: bool) -> Request:
    """The request as the user it asks to be treated as.

    Raises:
        ApiError: 400, groups without a user; 403, the asking user may not.
    """
    wanted = read(request)
    mode = granted(authorizers, request.user, wanted, attributes_of(request, target, watch=watch))
    kept = {name: value for name, value in request.headers.items() if not name.startswith("impersonate-")}
    return attrs.evolve(request, user=user_of(wanted, mode), headers=kept)


def read(request: Request) -> Wanted:
    """The impersonation headers of a request.

    Raises:
        ApiError: 400.
    """
    headers = request.headers
    name, group = headers.get("impersonate-user", ""), headers.get("impersonate-group", "")
    if not name:
        raise bad_request(
            f'requested &user.DefaultInfo{{Name:"", UID:"", Groups:[]string{{"{group}"}}, '
            "Extra:map[string][]string(nil)} without impersonating a user name"
        )
    groups = tuple(part.strip() for part in group.split(",") if part.strip())
    extra = tuple(
        (unquote(header.removeprefix(_EXTRA)), value) for header, value in headers.items() if header.startswith(_EXTRA)
    )
    return Wanted(name, groups, headers.get("impersonate-uid", ""), extra)


def user_of(wanted: Wanted, mode: str) -> User:
    """The user with the groups that come by themselves.

    Args:
        wanted: who is asked for.
        mode: the kind of identity that was granted.
    """
    groups = wanted.groups
    if not groups and wanted.name.startswith(_ACCOUNT):
        namespace = wanted.name.removeprefix(_ACCOUNT).partition(":")[0]
        groups = (_ACCOUNTS, f"{_ACCOUNTS}:{namespace}")
    if mode == _NODE:
        groups = (NODES_GROUP,)
    own = UNAUTHENTICATED if wanted.name == ANONYMOUS else AUTHENTICATED
    return User(wanted.name, groups if own in groups else (*groups, own), wanted.uid)


def granted(authorizers: Sequence[Authorizer], user: User, wanted: Wanted, about: Attributes) -> str:
    """As what kind of identity a user may make a request in somebody else's name; empty for the older way.

    Args:
        authorizers: asked.
        user: who makes it.
        wanted: in whose name.
        about: what the request wants to do.

    Raises:
        ApiError: 403.
    """
    mode = _mode(wanted)
    denied = _first_denied(authorizers, [_on(about, mode), *_identity(user, wanted, mode)])
    if denied is None:
        return mode
    if _first_denied(authorizers, list(_legacy(user, wanted))) is not None:
        raise denied
    return ""


def _mode(wanted: Wanted) -> str:
    """The kind of identity that is asked for."""
    if wanted.name.startswith(_ACCOUNT):
        return "serviceaccount"
    if wanted.plain and wanted.name.startswith(NODE_PREFIX):
        return _NODE
    return "user-info"


def _first_denied(authorizers: Sequence[Authorizer], questions: Sequence[Attributes]) -> ApiError | None:
    for question in questions:
        decision = authorize(authorizers, question)
        if not decision.allowed:
            return refusal(question, decision.reason)
    return None


def _on(about: Attributes, mode: str) -> Attributes:
    return msgspec.structs.replace(about, verb=f"impersonate-on:{mode}:{about.verb}")


def _identity(user: User, wanted: Wanted, mode: str) -> Iterator[Attributes]:
    verb = f"impersonate:{mode}"
    if mode == "serviceaccount":
        namespace, _, name = wanted.name.removeprefix(_ACCOUNT).partition(":")
        yield Attributes(user, verb, _GROUP, "serviceaccounts", namespace=namespace, name=name)
    elif mode == _NODE:
        yield Attributes(user, verb, _GROUP, "nodes", name=wanted.name.removeprefix(NODE_PREFIX))
    else:
        yield Attributes(user, verb, _GROUP, "users", name=wanted.name)
    yield from (msgspec.structs.replace(question, verb=verb, group=_GROUP) for question in _rest(user, wanted))


def _legacy(user: User, wanted: Wanted) -> Iterator[Attributes]:
    if wanted.name.startswith(_ACCOUNT):
        namespace, _, name = wanted.name.removeprefix(_ACCOUNT).partition(":")
        yield Attributes(user, "impersonate", resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attributes(user, "impersonate", resource="users", name=wanted.name)
    yield from _rest(user, wanted)


def _rest(user: User, wanted: Wanted) -> Iterator[Attributes]:
    """Everything besides the name, as the older way asks about it."""
    for group in wanted.groups:
        yield Attributes(user, "impersonate", resource="groups", name=group)
    if wanted.uid:
        yield Attributes(user, "impersonate", _GROUP, "uids", name=wanted.uid)
    for key, value in wanted.extra:
        yield Attributes(user, "impersonate", _GROUP, "userextras", subresource=key, name=value)
