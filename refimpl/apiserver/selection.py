"""Which objects a list or watch is about: namespace, label selector, field selector."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from refimpl.api.errors import bad_request
from refimpl.apiserver.broadcast import ALL, NODE_FIELD, Interest
from refimpl.apiserver.cache import Entry
from refimpl.apiserver.call import Call
from refimpl.apiserver.strategy import Strategy

Test = Callable[[Entry], bool]
FieldTerm = tuple[str, bool, str]
"""Field, whether it must equal (or differ from), value."""


@attrs.frozen
class Selection:
    """A filter over entries of one resource.

    Attributes:
        namespace: only this one; empty means all.
        tests: all must hold.
        interest: what the filter narrows the objects down to, for the watch index.
        exact: the interest says it all: every object it covers is selected.
    """

    namespace: str
    tests: tuple[Test, ...]
    interest: Interest
    exact: bool

    @property
    def selective(self) -> bool:
        """Whether there is a selector."""
        return bool(self.tests)

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is selected."""
        if self.namespace and entry.key[0] != self.namespace:
            return False
        return all(test(entry) for test in self.tests)


def select(call: Call) -> Selection:
    """What the request's path and selectors select.

    Raises:
        ApiError: 400, a selector cannot be read or names a field that cannot be selected by.
    """
    namespace = call.target.namespace
    terms = _field_terms(call.request.parameter("fieldSelector") or "", call.strategy)
    if call.target.name:
        terms.append(("metadata.name", True, call.target.name))
    tests: list[Test] = [_field_test(term) for term in terms]
    labels = call.request.parameter("labelSelector") or ""
    tests += [_label_test(part) for part in labels.split(",") if part]
    interest = _interest(namespace, terms)
    exact = not tests or (len(tests) == 1 and interest[0] == "node" and not namespace)
    return Selection(namespace, tuple(tests), interest, exact)


def _interest(namespace: str, terms: list[FieldTerm]) -> Interest:
    for field, equal, value in terms:
        if equal and value and field == "metadata.name":
            return ("name", f"{namespace}/{value}")
        if equal and value and field == NODE_FIELD:
            return ("node", value)
    return ("namespace", namespace) if namespace else ALL


def _field_terms(text: str, strategy: Strategy) -> list[FieldTerm]:
    terms: list[FieldTerm] = []
    for part in text.split(","):
        if not part:
            continue
        for operator, equal in (("!=", False), ("==", True), ("=", True)):
            field, found, value = part.partition(operator)
            if found:
                break
        else:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        if field not in strategy.fields:
            raise bad_request(f"field label not supported: {field}")
        terms.append((field, equal, value))
    return terms


def _field_test(term: FieldTerm) -> Test:
    field, equal, value = term
    return lambda entry: (entry.fields.get(field, "") == value) is equal


def _label_test(part: str) -> Test:
    key, _, value = part.partition("=")
    return lambda entry: entry.labels.get(key) == value
