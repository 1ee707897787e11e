"""Authentication and authorization of one server, together."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refimpl.apiserver.authentication import Authenticator
from refimpl.apiserver.authorization import Authorizer


@attrs.frozen
class Security:
    """Who is who, and who may do what.

    Attributes:
        authenticators: asked in order.
        modes: of authorization, by the names of `--authorization-mode`.
        authorizers: asked in order instead of those of the modes; the first opinion counts.
    """

    authenticators: Sequence[Authenticator] = ()
    modes: Sequence[str] = ("AlwaysAllow",)
    authorizers: Sequence[Authorizer] = attrs.field(default=(), kw_only=True)


ALLOW_ALL = Security()
"""Nobody from outside is known; whoever is known may do everything."""
