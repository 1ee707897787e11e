"""`serviceaccounts/token`: a token that proves a service account, for some audiences and some time.

Source: kube-apiserver 1.36 `registry/core/serviceaccount/storage` (token.go) and `pkg/serviceaccount` (claims.go).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import attrs

from refimpl.api import meta
from refimpl.api.errors import Cause, Object, bad_request, conflict, invalid, not_found
from refimpl.api.resources import NODES, PODS, SECRETS, Resource
from refimpl.apiserver import admission
from refimpl.apiserver.identity.tokensigner import ISSUER, TokenSigner
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.verbs import decoding, writeoptions
from refimpl.apiserver.verbs.call import Answer, Call
from refimpl.clock import format_time

TOKENREQUESTS: Final = Resource("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests")
DEFAULT_SECONDS: Final = 3600
MIN_SECONDS: Final = 600
MAX_SECONDS: Final = 2**32
_BOUND: Final = {("v1", "Pod"): PODS, ("v1", "Secret"): SECRETS, ("v1", "Node"): NODES}


async def create(call: Call) -> Answer:
    """Issues a token.

    Raises:
        ApiError: 400, 403, 404, 409 for a bound object that is another one, 422.
    """
    options = writeoptions.read(call, "CreateOptions")
    request = decoding.read_object(call, options.field_validation, TOKENREQUESTS)
    _require_same_name(call, request["metadata"])
    target = call.target
    account = call.registry.get(target.resource, target.name, target.namespace)
    if account is None:
        raise not_found(target.resource, target.name)
    spec: Object = request.get("spec") or {}
    spec["audiences"] = spec.get("audiences") or [ISSUER]
    if spec.get("expirationSeconds") is None:
        spec["expirationSeconds"] = DEFAULT_SECONDS
    wrong = list(problems(spec))
    if wrong:
        raise invalid(TOKENREQUESTS, "", wrong)
    admission.admit(call.context("CREATE", dry_run=options.dry_run), None, request)
    bound = _bound_object(call, spec.get("boundObjectRef"))
    now = call.clock.now()
    ends = now + timedelta(seconds=spec["expirationSeconds"])
    claims = claims_of(account, spec, bound, int(now.timestamp()), call.clock.uid())
    status = {"token": _signer(call).sign(claims), "expirationTimestamp": format_time(ends)}
    metadata = {"name": target.name, "namespace": target.namespace, "creationTimestamp": call.clock.timestamp()}
    return Answer(201, obj={**request, "metadata": metadata, "spec": spec, "status": status}, plain=True)


def _signer(call: Call) -> TokenSigner:
    """The server's; one without makes tokens of the right form that nobody takes."""
    return call.security.signer or TokenSigner.made(call.clock.random)


def _require_same_name(call: Call, metadata: Object) -> None:
    for key, wanted in (("name", call.target.name), ("namespace", call.target.namespace)):
        given = metadata.get(key, "")
        if given and given != wanted:
            why = f"must match the service account {key} if specified"
            raise invalid(TOKENREQUESTS, call.target.name, [causes.invalid(f"metadata.{key}", given, why)])


def problems(spec: Object) -> Iterable[Cause]:
    """What is wrong with a request."""
    seconds, path = spec["expirationSeconds"], "spec.expirationSeconds"
    if seconds < MIN_SECONDS:
        yield causes.invalid(path, seconds, "may not specify a duration less than 10 minutes")
    if seconds > MAX_SECONDS:
        yield causes.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")


def _bound_object(call: Call, reference: Object | None) -> Object | None:
    """The object with which the token ends, or None.

    Raises:
        ApiError: 400 for one that a token cannot be bound to, 404, 409.
    """
    if reference is None:
        return None
    kind, name = reference.get("kind", ""), reference.get("name", "")
    resource = _BOUND.get((reference.get("apiVersion", ""), kind))
    if resource is None:
        group, _, version = reference.get("apiVersion", "").rpartition("/")
        raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    found = call.registry.get(resource, name, call.target.namespace if resource.namespaced else "")
    if found is None:
        raise not_found(resource, name)
    if resource is PODS and (found.get("spec") or {}).get("serviceAccountName", "") != call.target.name:
        used = (found.get("spec") or {}).get("serviceAccountName", "")
        raise bad_request(
            f'cannot bind token for serviceaccount "{call.target.name}" to pod running with different serviceaccount '
            f'name "{used}".'
        )
    uid = reference.get("uid", "")
    if uid and uid != meta.uid(found):
        why = (
            f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise conflict(attrs.evolve(resource, plural=kind, group=""), name, why)
    return found


def claims_of(account: Object, spec: Object, bound: Object | None, now: int, token_id: str) -> Object:
    """What the token states.

    Args:
        account: the service account.
        spec: of the request, complete.
        bound: the object with which the token ends.
        now: seconds since 1970.
        token_id: identifies the token.
    """
    namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
    private: Object = {"namespace": namespace, "serviceaccount": {"name": name, "uid": meta.uid(account)}}
    if bound is not None:
        private[bound["kind"].lower()] = {"name": bound["metadata"]["name"], "uid": meta.uid(bound)}
    return {
        "aud": spec["audiences"],
        "exp": now + spec["expirationSeconds"],
        "iat": now,
        "iss": ISSUER,
        "jti": token_id,
        "kubernetes.io": private,
        "nbf": now,
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }
