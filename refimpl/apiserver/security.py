"""Authentication and authorization of one server, together."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refimpl.apiserver.authentication import Authenticator
from refimpl.apiserver.authorization import Authorizer, always_allow


@attrs.frozen
class Security:
    """Who is who, and who may do what.

    Attributes:
        authenticators: asked in order.
        authorizers: asked in order; the first opinion counts.
    """

    authenticators: Sequence[Authenticator] = ()
    authorizers: Sequence[Authorizer] = (always_allow,)


ALLOW_ALL = Security()
"""Nobody from outside is known; whoever is known may do everything."""
