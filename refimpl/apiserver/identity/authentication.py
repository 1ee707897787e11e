"""Who asks: a list of authenticators, each of which knows a user, does not know, or refuses.

Source: kube-apiserver 1.36, `authentication/request/*`. Nobody is anonymous unless `anonymous` is asked last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import attrs

from refimpl.api.errors import unauthorized
from refimpl.api.http import User
from refimpl.api.transient import transient

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
_BEARER = re.compile(r"bearer (.*)", re.IGNORECASE | re.DOTALL)
_EXTRA_SPACE = "the provided Authorization header contains extra space before the bearer token, and is ignored"

Subject = Sequence[Sequence[tuple[str, str]]]
"""The subject of a verified client certificate, as `ssl.SSLSocket.getpeercert()` gives it."""


@transient
class Credentials:
    """What a request brings along to prove who sent it.

    Attributes:
        headers: header values by lower-case name.
        subject: of the verified client certificate; None without one.
        warnings: texts for `Warning` headers; append to it.
    """

    headers: Mapping[str, str] = attrs.field(repr=False)
    subject: Subject | None
    warnings: list[str]


Authenticator = Callable[[Credentials], User | None]
"""Returns the user, or None when it has no opinion.

Raises:
    ApiError: 401, the credentials are wrong.
"""


def bearer_token(credentials: Credentials) -> str | None:
    """The bearer token of the Authorization header; None when there is none."""
    header = credentials.headers.get("authorization", "")
    match = _BEARER.fullmatch(header.strip())
    if match is None:
        return None
    token = match.group(1)
    if token.startswith(" "):
        credentials.warnings.append(_EXTRA_SPACE)
        return None
    return token or None


def tokens(table: Mapping[str, User]) -> Authenticator:
    """Authenticates the bearer tokens of a table; an unknown token is refused."""

    def authenticate(credentials: Credentials) -> User | None:
        token = bearer_token(credentials)
        if token is None:
            return None
        user = table.get(token)
        if user is None:
            raise unauthorized()
        return user

    return authenticate


def client_certificate(credentials: Credentials) -> User | None:
    """Common name and organizations of the client certificate: user name and groups."""
    if credentials.subject is None:
        return None
    names = [pair for part in credentials.subject for pair in part]
    common_name = next((value for key, value in names if key == "commonName"), "")
    if not common_name:
        return None
    groups = [value for key, value in names if key == "organizationName"]
    return User(common_name, (*groups, AUTHENTICATED))


def anonymous(_: Credentials) -> User:
    """Whoever shows nothing is a user too; the last authenticator of a server with `--anonymous-auth`."""
    return User(ANONYMOUS, (UNAUTHENTICATED,))


def authenticate(authenticators: Sequence[Authenticator], credentials: Credentials) -> User:
    """The user behind a request: the first authenticator that knows one.

    Raises:
        ApiError: 401.
    """
    for authenticator in authenticators:
        user = authenticator(credentials)
        if user is not None:
            return user
    raise unauthorized()
