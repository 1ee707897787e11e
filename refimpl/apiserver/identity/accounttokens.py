"""Who shows the token of a service account.

Source: kube-apiserver 1.36 `pkg/serviceaccount` (jwt.go, claims.go, util.go).
"""

from __future__ import annotations

from refimpl.api import meta
from refimpl.api.errors import Object, unauthorized
from refimpl.api.http import User
from refimpl.api.resources import NODES, PODS, SECRETS, SERVICEACCOUNTS
from refimpl.apiserver.identity.authentication import AUTHENTICATED, Authenticator, Credentials, bearer_token
from refimpl.apiserver.identity.tokensigner import ISSUER, TokenSigner
from refimpl.apiserver.objects.registry import Registry
from refimpl.clock import Clock

_START = "Bearer eyJ"
_BOUND = {"pod": PODS, "secret": SECRETS, "node": NODES}


def authenticator(signer: TokenSigner, registry: Registry, clock: Clock) -> Authenticator:
    """Authenticates tokens of a signer; other tokens are for others to know."""

    def authenticate(credentials: Credentials) -> User | None:
        if not credentials.headers.get("authorization", "").startswith(_START):
            return None
        claims = signer.claims(bearer_token(credentials) or "")
        if claims is None:
            return None
        if not _holds(claims, registry, clock):
            raise unauthorized()
        return _user(claims)

    return authenticate


def _holds(claims: Object, registry: Registry, clock: Clock) -> bool:
    """Whether a token is meant for this server, has not ended, and what it speaks of is still there."""
    now = clock.now().timestamp()
    if ISSUER not in claims["aud"] or not claims["nbf"] <= now < claims["exp"]:
        return False
    stated = claims["kubernetes.io"]
    namespace = stated["namespace"]
    if not _is_there(
        registry.get(SERVICEACCOUNTS, stated["serviceaccount"]["name"], namespace), stated["serviceaccount"]
    ):
        return False
    for key, resource in _BOUND.items():
        if key in stated:
            scope = namespace if resource.namespaced else ""
            if not _is_there(registry.get(resource, stated[key]["name"], scope), stated[key]):
                return False
    return True


def _is_there(found: Object | None, stated: Object) -> bool:
    return found is not None and meta.uid(found) == stated["uid"]


def _user(claims: Object) -> User:
    namespace = claims["kubernetes.io"]["namespace"]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(claims["sub"], groups, claims["kubernetes.io"]["serviceaccount"]["uid"])
