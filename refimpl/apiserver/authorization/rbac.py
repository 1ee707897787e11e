"""Role based access: what Roles, ClusterRoles and their bindings allow.

Roles and bindings are read again when one of them has changed, never for a request. What a user has is put together at
the user's first request and kept until then, by verb, so that a decision looks at a few rules only.

Source: kube-apiserver 1.36 `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac/validation`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from refimpl.api.errors import ApiError, Object, not_found
from refimpl.api.http import User
from refimpl.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES, Resource
from refimpl.apiserver.authorization.attributes import Attributes
from refimpl.apiserver.authorization.decisions import Decision
from refimpl.apiserver.authorization.rules import ALL, Rule, compiled
from refimpl.apiserver.objects.cache import Entry
from refimpl.apiserver.objects.registry import Registry

_KINDS: Final = (CLUSTERROLES, CLUSTERROLEBINDINGS, ROLES, ROLEBINDINGS)
_MISSING: Final = {
    "ClusterRole": Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterrole", namespaced=False),
    "Role": Resource("rbac.authorization.k8s.io", "v1", "Role", "role"),
}
"""Errors name the resource of a missing role in the singular."""
_USERS_KEPT: Final = 4096
_ACCOUNT: Final = "system:serviceaccount:"

Subject = tuple[str, str]
"""`User` or `Group`, and the name; a service account is the user that it is authenticated as."""


@attrs.frozen
class Grant:
    """A rule that somebody has through a binding.

    Attributes:
        namespace: where it holds; empty for everywhere.
        rule: ready to be asked.
        decision: what is said when the rule allows something.
    """

    namespace: str
    rule: Rule
    decision: Decision


@attrs.frozen
class Grants:
    """All that one user has.

    Attributes:
        by_verb: grants by verb; under `*` those for every verb.
        raw: the rules as they stand in the roles, with their namespaces.
        errors: of bindings that name missing roles, with their namespaces.
    """

    by_verb: Mapping[str, Sequence[Grant]]
    raw: Sequence[tuple[str, Object]]
    errors: Sequence[tuple[str, str]]


@attrs.frozen
class _Binding:
    """One subject of one binding.

    Attributes:
        namespace: of the binding; empty for a ClusterRoleBinding.
        obj: the binding.
        subject: the subject as it stands there.
    """

    namespace: str
    obj: Object
    subject: Object


class Rbac:
    """Decides by roles and bindings.

    Args:
        registry: where they are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._seen: tuple[tuple[Entry, ...], ...] = ()
        self._roles: dict[tuple[str, str], Sequence[Object]] = {}
        self._bindings: dict[Subject, list[_Binding]] = {}
        self._users: dict[tuple[str, tuple[str, ...]], Grants] = {}

    def __call__(self, wanted: Attributes) -> Decision | None:
        """See `Authorizer`."""
        grants = self.grants(wanted.user)
        namespace = wanted.namespace
        for verb in (wanted.verb, ALL):
            for grant in grants.by_verb.get(verb, ()):
                here = not grant.namespace or grant.namespace == namespace
                if here and grant.rule.allows(wanted):
                    return grant.decision
        if not grants.errors:
            return None
        errors = list(dict.fromkeys(text for where, text in grants.errors if where in {"", namespace}))
        return Decision(allowed=False, reason=f"RBAC: {_aggregate(errors)}", final=False) if errors else None

    def rules_for(self, user: User, namespace: str) -> tuple[list[Object], list[str]]:
        """The rules a user has in a namespace, and what went wrong while they were looked up."""
        grants = self.grants(user)
        rules = [rule for where, rule in grants.raw if where in {"", namespace}]
        return rules, [text for where, text in grants.errors if where in {"", namespace}]

    def role_rules(self, reference: Object, namespace: str) -> Sequence[Object]:
        """The rules of the role that a binding names.

        Raises:
            ApiError: 404, there is no such role.
        """
        self._refresh()
        kind, name = reference.get("kind", ""), reference.get("name", "")
        found = self._roles.get((namespace if kind == "Role" else "", name))
        if found is None:
            raise not_found(_MISSING.get(kind, _MISSING["Role"]), name)
        return found

    def grants(self, user: User) -> Grants:
        """All that a user has."""
        self._refresh()
        key = (user.name, user.groups)
        found = self._users.get(key)
        if found is None:
            if len(self._users) >= _USERS_KEPT:
                self._users.clear()
            found = self._users[key] = self._gather(user)
        return found

    def _refresh(self) -> None:
        """Reads roles and bindings again when any of them has changed."""
        cache = self._registry.cache
        now = tuple([cache(kind).ordered() for kind in _KINDS])
        if len(self._seen) == len(now) and all(map(_same, self._seen, now)):
            return
        self._seen = now
        self._users.clear()
        listed = self._registry.list
        self._roles = {_key(role): role.get("rules") or () for kind in (CLUSTERROLES, ROLES) for role in listed(kind)}
        self._bindings = {}
        for kind in (CLUSTERROLEBINDINGS, ROLEBINDINGS):
            for binding in listed(kind):
                for subject in binding.get("subjects") or ():
                    bound = _Binding(_key(binding)[0], binding, subject)
                    self._bindings.setdefault(_subject(bound), []).append(bound)

    def _gather(self, user: User) -> Grants:
        by_verb: dict[str, list[Grant]] = {}
        raw: list[tuple[str, Object]] = []
        errors: list[tuple[str, str]] = []
        for binding in self._bindings_of(user):
            try:
                rules = self.role_rules(binding.obj["roleRef"], binding.namespace)
            except ApiError as missing:
                errors.append((binding.namespace, missing.message))
                continue
            decision = Decision(allowed=True, reason=f"RBAC: allowed by {described(binding)}")
            for rule in rules:
                grant = Grant(binding.namespace, compiled(rule), decision)
                raw.append((binding.namespace, rule))
                for verb in grant.rule.verbs:
                    by_verb.setdefault(verb, []).append(grant)
        return Grants(by_verb, raw, errors)

    def _bindings_of(self, user: User) -> Iterator[_Binding]:
        """Bindings of the user and the user's groups, those that hold everywhere first."""
        subjects = [("User", user.name), *(("Group", group) for group in user.groups)]
        found = [binding for subject in subjects for binding in self._bindings.get(subject, ())]
        yield from sorted(found, key=lambda binding: bool(binding.namespace))


def _same(before: object, now: object) -> bool:
    return before is now


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _subject(binding: _Binding) -> Subject:
    subject = binding.subject
    if subject.get("kind") != "ServiceAccount":
        return subject.get("kind", ""), subject.get("name", "")
    return "User", f"{_ACCOUNT}{subject.get('namespace') or binding.namespace}:{subject.get('name', '')}"


def described(binding: _Binding) -> str:
    """A binding and whom it is for, in words."""
    reference, name = binding.obj["roleRef"], binding.obj["metadata"]["name"]
    kind = "RoleBinding" if binding.namespace else "ClusterRoleBinding"
    shown = f"{name}/{binding.namespace}" if binding.namespace else name
    who = binding.subject.get("name", "")
    if binding.subject.get("kind") == "ServiceAccount":
        who = f"{who}/{binding.subject.get('namespace') or binding.namespace}"
    role = f"{reference.get('kind', '')} {json.dumps(reference.get('name', ''))}"
    return f"{kind} {json.dumps(shown)} of {role} to {binding.subject.get('kind', '')} {json.dumps(who)}"


def _aggregate(errors: Sequence[str]) -> str:
    return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
