"""Nobody hands on rights they do not have: roles may be written, and bound, only by those who have what is in them.

Whoever may `escalate` a role, or `bind` it, is free to. Source: kube-apiserver 1.36 `pkg/registry/rbac`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from refimpl.api.errors import ApiError, Object, forbidden
from refimpl.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from refimpl.apiserver.authorization import Attributes, authorize
from refimpl.apiserver.authorization.decisions import PRIVILEGED
from refimpl.apiserver.authorization.rbac import Rbac
from refimpl.apiserver.authorization.rules import described, uncovered
from refimpl.apiserver.strategy import Context

CONCERNS: Final = (ROLES, CLUSTERROLES, ROLEBINDINGS, CLUSTERROLEBINDINGS)

_EVERYTHING: Final[list[Object]] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]
_COLLECTED: Final = ("ownerReferences", "finalizers", "managedFields")


def admit(ctx: Context, old: Object | None, new: Object | None) -> None:
    """See `chain.Plugin`."""
    if new is None or PRIVILEGED in ctx.user.groups:
        return
    rbac = next((each for each in ctx.security.authorizers if isinstance(each, Rbac)), None)
    if rbac is None or (old is not None and only_collected(old, new)):
        return
    if ctx.resource in {ROLES, CLUSTERROLES}:
        admit_role(ctx, rbac, old, new)
    else:
        admit_binding(ctx, rbac, new)


def only_collected(old: Object, new: Object) -> bool:
    """Whether a change is only of what garbage collection needs."""
    return _without_collected(old) == _without_collected(new)


def _without_collected(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key not in _COLLECTED}}


def admit_role(ctx: Context, rbac: Rbac, old: Object | None, new: Object) -> None:
    """A role may hold what its writer has; what gathers other roles takes everything."""
    if _may(ctx, "escalate", ctx.resource.plural, ctx.name):
        return
    confirm(ctx, rbac, new.get("rules") or [])
    if (_gathers(new) or _gathers(old)) and lacking(ctx, rbac, _EVERYTHING):
        raise _refused(ctx, "must have cluster-admin privileges to use the aggregationRule")


def _gathers(role: Object | None) -> bool:
    return bool(((role or {}).get("aggregationRule") or {}).get("clusterRoleSelectors"))


def admit_binding(ctx: Context, rbac: Rbac, new: Object) -> None:
    """A role may be bound by those who have what is in it."""
    reference = new.get("roleRef") or {}
    plural = "roles" if reference.get("kind") == "Role" else "clusterroles"
    if _may(ctx, "bind", plural, reference.get("name", "")):
        return
    confirm(ctx, rbac, rbac.role_rules(reference, ctx.namespace))


def _may(ctx: Context, verb: str, plural: str, name: str) -> bool:
    wanted = Attributes(ctx.user, verb, group=ROLES.group, resource=plural, namespace=ctx.namespace, name=name)
    return authorize(ctx.security.authorizers, wanted).allowed


def lacking(ctx: Context, rbac: Rbac, rules: Sequence[Object]) -> list[Object]:
    """What the user does not have of some rules."""
    owned, _ = rbac.rules_for(ctx.user, ctx.namespace)
    return uncovered(owned, rules)


def confirm(ctx: Context, rbac: Rbac, rules: Sequence[Object]) -> None:
    """Lets those pass who have all of the rules.

    Raises:
        ApiError: 403, which says what is lacking.
    """
    missing = lacking(ctx, rbac, rules)
    if missing:
        groups = " ".join(map(json.dumps, ctx.user.groups))
        who = f"user {json.dumps(ctx.user.name)} (groups=[{groups}])"
        listed = "\n".join(described(missing))
        raise _refused(ctx, f"{who} is attempting to grant RBAC permissions not currently held:\n{listed}")


def _refused(ctx: Context, why: str) -> ApiError:
    return forbidden(ctx.resource, ctx.name, why)
