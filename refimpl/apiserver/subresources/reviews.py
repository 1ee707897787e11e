"""Reviews: questions about users and rights that are answered and not kept.

Source: kube-apiserver 1.36, `registry/authentication` and `registry/authorization`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refimpl.api.errors import ApiError, Object, bad_request
from refimpl.api.http import User
from refimpl.api.resources import (
    LOCALSUBJECTACCESSREVIEWS,
    SELFSUBJECTACCESSREVIEWS,
    SELFSUBJECTREVIEWS,
    SELFSUBJECTRULESREVIEWS,
    SUBJECTACCESSREVIEWS,
    TOKENREVIEWS,
    Resource,
)
from refimpl.apiserver import authentication, authorization, decoding, writeoptions
from refimpl.apiserver.authentication import Credentials
from refimpl.apiserver.authorization import Attributes
from refimpl.apiserver.call import Answer, Call


async def create(call: Call) -> Answer:
    """Answers a review.

    Raises:
        ApiError: 400.
    """
    options = writeoptions.read(call, "CreateOptions")
    review = decoding.read_object(call, options.field_validation)
    review["status"] = _ANSWERS[call.target.resource](call, review)
    return Answer(201, obj=review)


def token_review(call: Call, review: Object) -> Object:
    """Who a token belongs to."""
    token = (review.get("spec") or {}).get("token", "")
    headers = {"authorization": f"Bearer {token}"}
    try:
        user = authentication.authenticate(call.security.authenticators, Credentials(headers, None, []))
    except ApiError:
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": user_info(user)}


def self_subject_review(call: Call, review: Object) -> Object:
    """Who asks."""
    review["metadata"]["creationTimestamp"] = call.clock.timestamp()
    return {"userInfo": user_info(call.request.user)}


def user_info(user: User) -> Object:
    """A user as the API shows one."""
    info: Object = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    return {**info, "groups": list(user.groups)}


def self_access_review(call: Call, review: Object) -> Object:
    """Whether the asking user may do something."""
    return _verdict(call, call.request.user, review.get("spec") or {})


def access_review(call: Call, review: Object) -> Object:
    """Whether some user may do something."""
    spec = review.get("spec") or {}
    if not spec.get("user") and not spec.get("groups"):
        raise bad_request("at least one of user or group must be specified")
    return _verdict(call, User(spec.get("user", ""), tuple(spec.get("groups") or ())), spec)


def rules_review(_: Call, __: Object) -> Object:
    """Everything the asking user may do, as far as that can be listed."""
    every = ["*"]
    return {
        "resourceRules": [{"verbs": every, "apiGroups": every, "resources": every}],
        "nonResourceRules": [{"verbs": every, "nonResourceURLs": every}],
        "incomplete": False,
    }


def _verdict(call: Call, user: User, spec: Mapping[str, Any]) -> Object:
    decision = authorization.authorize(call.security.authorizers, attributes(user, spec))
    status: Object = {"allowed": decision.allowed}
    if decision.reason:
        status["reason"] = decision.reason
    return status


def attributes(user: User, spec: Mapping[str, Any]) -> Attributes:
    """What an access review asks about."""
    resource = spec.get("resourceAttributes")
    if resource is None:
        path = spec.get("nonResourceAttributes") or {}
        return Attributes(user, path.get("verb", ""), path=path.get("path", ""))
    return Attributes(
        user,
        resource.get("verb", ""),
        group=resource.get("group", ""),
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        namespace=resource.get("namespace", ""),
        name=resource.get("name", ""),
    )


_ANSWERS = {
    TOKENREVIEWS: token_review,
    SELFSUBJECTREVIEWS: self_subject_review,
    SELFSUBJECTACCESSREVIEWS: self_access_review,
    SUBJECTACCESSREVIEWS: access_review,
    LOCALSUBJECTACCESSREVIEWS: access_review,
    SELFSUBJECTRULESREVIEWS: rules_review,
}
REVIEWS: frozenset[Resource] = frozenset(_ANSWERS)
