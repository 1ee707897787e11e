"""Authentication and authorization of one server, together."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refimpl.apiserver.authorization import Authorizer
from refimpl.apiserver.identity.authentication import Authenticator
from refimpl.apiserver.identity.tokensigner import TokenSigner


@attrs.frozen
class Security:
    """Who is who, and who may do what.

    Attributes:
        authenticators: asked in order.
        modes: of authorization, by the names of `--authorization-mode`.
        authorizers: asked in order instead of those of the modes; the first opinion counts.
        signer: makes tokens of service accounts, and knows them again; a server without makes itself one whose tokens
            nobody takes.
    """

    authenticators: Sequence[Authenticator] = ()
    modes: Sequence[str] = ("AlwaysAllow",)
    authorizers: Sequence[Authorizer] = attrs.field(default=(), kw_only=True)
    signer: TokenSigner | None = attrs.field(default=None, kw_only=True)


ALLOW_ALL = Security()
"""Nobody from outside is known; whoever is known may do everything."""
