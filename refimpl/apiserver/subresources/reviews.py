"""Reviews: questions about users and rights that are answered and not kept.

Source: kube-apiserver 1.36, `registry/authentication` and `registry/authorization`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from refimpl.api.errors import ApiError, Cause, Object, bad_request, invalid
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
from refimpl.apiserver import authorization
from refimpl.apiserver.authorization import Attributes
from refimpl.apiserver.authorization.node import NodeAuthorizer, identity
from refimpl.apiserver.authorization.rbac import Rbac
from refimpl.apiserver.identity import authentication
from refimpl.apiserver.identity.authentication import Credentials
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.verbs import decoding, writeoptions
from refimpl.apiserver.verbs.call import Answer, Call


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
    """Who a token belongs to.

    Raises:
        ApiError: 400, there is none.
    """
    token = (review.get("spec") or {}).get("token", "")
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    headers = {"authorization": f"Bearer {token}"}
    try:
        user = authentication.authenticate(call.security.authenticators, Credentials(headers, None, []))
    except ApiError:
        return {"user": {}, "error": "invalid bearer token"}
    if user.name == authentication.ANONYMOUS:
        return {"user": {}}
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
    """Whether the asking user may do something.

    Raises:
        ApiError: 422.
    """
    spec = review.get("spec") or {}
    _require_valid(question_causes(spec))
    return _verdict(call, call.request.user, spec)


def access_review(call: Call, review: Object) -> Object:
    """Whether some user may do something.

    Raises:
        ApiError: 422.
    """
    spec = review.get("spec") or {}
    _require_valid([*question_causes(spec), *who_causes(spec)])
    return _verdict(call, User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", "")), spec)


def local_access_review(call: Call, review: Object) -> Object:
    """Whether some user may do something in the namespace of the review.

    Raises:
        ApiError: 400, another namespace is asked about; 422.
    """
    spec = review.get("spec") or {}
    namespace = call.target.namespace
    if (spec.get("resourceAttributes") or {}).get("namespace", "") != namespace:
        raise bad_request(f"spec.resourceAttributes.namespace must match namespace: {namespace}")
    review["metadata"]["namespace"] = namespace
    if spec.get("nonResourceAttributes") is not None:
        why = "disallowed on this kind of request"
        _require_valid([causes.invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"], why)])
    return access_review(call, review)


def question_causes(spec: Object) -> list[Cause]:
    """A review asks one thing: about a resource, or about a path."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        return [causes.invalid("spec.nonResourceAttributes", path, why)]
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [causes.invalid("spec.resourceAttributes", None, why)]
    return []


def who_causes(spec: Object) -> list[Cause]:
    """A review is about somebody."""
    if spec.get("user") or spec.get("groups"):
        return []
    return [causes.invalid("spec.user", "", "at least one of user or group must be specified")]


def _require_valid(found: Sequence[Cause]) -> None:
    if found:
        raise invalid(_NAMELESS, "", found)


_NAMELESS = Resource("authorization.k8s.io", "v1", "", "")
"""Reviews have lost their kind where they are checked, and so have the errors."""


def rules_review(call: Call, review: Object) -> Object:
    """Everything the asking user may do in a namespace, as far as that can be listed.

    Raises:
        ApiError: 400, no namespace is named.
    """
    namespace = (review.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise bad_request("no namespace on request")
    review["spec"] = {}
    user, authorizers = call.request.user, call.security.authorizers
    answer: Object = {"resourceRules": [], "nonResourceRules": [], "incomplete": False}
    errors: list[str] = []
    for authorizer in authorizers:
        if isinstance(authorizer, Rbac):
            rules, found = authorizer.rules_for(user, namespace)
            _add_rules(answer, rules)
            errors += found
        elif authorizer is authorization.always_allow:
            _add_rules(answer, EVERYTHING)
        elif isinstance(authorizer, NodeAuthorizer) and identity(user) is not None:
            errors.append("node authorizer does not support user rule resolution")
    if errors:
        answer |= {"incomplete": True, "evaluationError": errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"}
    return answer


EVERYTHING: tuple[Object, ...] = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)


def _add_rules(answer: Object, rules: Iterable[Object]) -> None:
    for rule in rules:
        answer["nonResourceRules" if rule.get("nonResourceURLs") else "resourceRules"].append(rule)


def _verdict(call: Call, user: User, spec: Mapping[str, Any]) -> Object:
    decision = authorization.authorize(call.security.authorizers, attributes(user, spec))
    status: Object = {"allowed": decision.allowed}
    if not decision.allowed and decision.final:
        status["denied"] = True
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
        fields=_field_selector(resource.get("fieldSelector") or {}),
    )


def _field_selector(selector: Mapping[str, Any]) -> str:
    """The field selector that a review asks about, in the form of a query."""
    raw: str = selector.get("rawSelector", "")
    if raw:
        return raw
    wanted = []
    for requirement in selector.get("requirements") or ():
        values: Sequence[str] = requirement.get("values") or ()
        if requirement.get("operator") == "In" and len(values) == 1:
            wanted.append(f"{requirement.get('key', '')}={values[0]}")
    return ",".join(wanted)


_ANSWERS = {
    TOKENREVIEWS: token_review,
    SELFSUBJECTREVIEWS: self_subject_review,
    SELFSUBJECTACCESSREVIEWS: self_access_review,
    SUBJECTACCESSREVIEWS: access_review,
    LOCALSUBJECTACCESSREVIEWS: local_access_review,
    SELFSUBJECTRULESREVIEWS: rules_review,
}
REVIEWS: frozenset[Resource] = frozenset(_ANSWERS)
