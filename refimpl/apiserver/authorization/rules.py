"""Policy rules: what they allow, and what they cover of other rules.

Source: kube-apiserver 1.36 `pkg/apis/rbac/v1/evaluation_helpers.go`, `component-helpers/auth/rbac/validation`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from refimpl.api.errors import Object
from refimpl.apiserver.authorization.attributes import Attributes

ALL: Final = "*"


@attrs.frozen
class Rule:
    """A policy rule, ready to be asked.

    Attributes:
        verbs: `*` is every verb.
        groups: API groups; `*` is every group.
        resources: `pods`, `pods/status`, `*/scale`; `*` is everything.
        names: of objects; none means all.
        urls: paths outside of resources; a `*` at the end stands for anything.
    """

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    urls: tuple[str, ...]

    def allows(self, wanted: Attributes) -> bool:
        """Whether somebody with this rule may do something."""
        if wanted.verb not in self.verbs and ALL not in self.verbs:
            return False
        if wanted.path:
            return any(url_covers(url, wanted.path) for url in self.urls)
        return (
            (wanted.group in self.groups or ALL in self.groups)
            and self._has(wanted.resource, wanted.subresource)
            and (not self.names or wanted.name in self.names)
        )

    def _has(self, resource: str, subresource: str) -> bool:
        resources = self.resources
        if not subresource:
            return resource in resources or ALL in resources
        return f"{resource}/{subresource}" in resources or ALL in resources or f"*/{subresource}" in resources


def compiled(rule: Object) -> Rule:
    """A rule as it stands in a Role."""
    return Rule(
        frozenset(rule.get("verbs") or ()),
        frozenset(rule.get("apiGroups") or ()),
        frozenset(rule.get("resources") or ()),
        frozenset(rule.get("resourceNames") or ()),
        tuple(rule.get("nonResourceURLs") or ()),
    )


def url_covers(owned: str, wanted: str) -> bool:
    """Whether a URL of a rule covers a path, or another rule's URL."""
    return owned == wanted or (owned.endswith(ALL) and wanted.startswith(owned.rstrip(ALL)))


def uncovered(owned: Sequence[Object], granted: Iterable[Object]) -> list[Object]:
    """The smallest parts of the granted rules that no owned rule covers."""
    mine = [compiled(rule) for rule in owned]
    return [part for rule in granted for part in parts(rule) if not any(_covers(each, part) for each in mine)]


def parts(rule: Object) -> Iterator[Object]:
    """A rule taken apart: one verb, one resource, one name or URL each."""
    verbs = rule.get("verbs") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                one: Object = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                names = rule.get("resourceNames") or ()
                yield from ({**one, "resourceNames": [name]} for name in names)
                if not names:
                    yield one
    for url in rule.get("nonResourceURLs") or ():
        for verb in verbs:
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def _covers(owned: Rule, part: Object) -> bool:
    verb = part["verbs"][0]
    if verb not in owned.verbs and ALL not in owned.verbs:
        return False
    if "nonResourceURLs" in part:
        return any(url_covers(url, part["nonResourceURLs"][0]) for url in owned.urls)
    group, resource = part["apiGroups"][0], part["resources"][0]
    if group not in owned.groups and ALL not in owned.groups:
        return False
    names = part.get("resourceNames")
    if owned.names and (not names or names[0] not in owned.names):
        return False
    _, slash, subresource = resource.partition("/")
    return (
        ALL in owned.resources or resource in owned.resources or (bool(slash) and f"*/{subresource}" in owned.resources)
    )


def described(rules: Iterable[Object]) -> list[str]:
    """Rules in few words, those that differ only by verb joined, sorted."""
    joined: dict[tuple[str, str, str], Object] = {}
    texts = []
    for rule in rules:
        if "nonResourceURLs" in rule:
            texts.append(_described(rule))
            continue
        key = (rule["apiGroups"][0], rule["resources"][0], "".join(rule.get("resourceNames", ())))
        known = joined.setdefault(key, {**rule, "verbs": []})
        known["verbs"] += rule["verbs"]
    return sorted({*texts, *map(_described, joined.values())})


def _described(rule: Object) -> str:
    shown = ("apiGroups", "resources", "nonResourceURLs", "resourceNames", "verbs")
    words = [f"{key[:1].upper()}{key[1:]}:{_list(rule[key])}" for key in shown if rule.get(key)]
    return "{" + ", ".join(words).replace("ApiGroups", "APIGroups") + "}"


def _list(values: Iterable[str]) -> str:
    return "[" + " ".join(json.dumps(value, ensure_ascii=False) for value in values) + "]"
