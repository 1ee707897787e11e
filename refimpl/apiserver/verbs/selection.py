"""Which objects a list or watch is about: namespace, label selector, field selector."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import attrs

from refimpl.api import fieldselectors, selectors
from refimpl.api.errors import bad_request
from refimpl.api.fieldselectors import FieldSelector, FieldTerm
from refimpl.api.selectors import LabelSelector
from refimpl.apiserver.objects.broadcast import ALL, NODE_FIELD, Interest
from refimpl.apiserver.objects.cache import Entry
from refimpl.apiserver.strategy import Strategy
from refimpl.apiserver.verbs.call import Call

Test = Callable[[Entry], bool]


@attrs.frozen
class Selection:
    """A filter over entries of one resource.

    Attributes:
        namespace: only this one; empty means all.
        tests: all must hold.
        interest: what the filter narrows the objects down to, for the watch index.
    """

    namespace: str
    tests: tuple[Test, ...]
    interest: Interest

    @property
    def selective(self) -> bool:
        """Whether there is a selector."""
        return bool(self.tests)

    @property
    def everything(self) -> bool:
        """Whether nothing is filtered out."""
        return not self.tests and not self.namespace

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is selected."""
        if self.namespace and entry.key[0] != self.namespace:
            return False
        for test in self.tests:  # noqa: SIM110 - asked of every change for every watcher: no generator
            if not test(entry):
                return False
        return True


def select(call: Call) -> Selection:
    """What the request's path and selectors select.

    Raises:
        ApiError: 400, a selector cannot be read or names a field that cannot be selected by.
    """
    labels, fields = call.request.parameter("labelSelector") or "", call.request.parameter("fieldSelector") or ""
    return _selection(call.target.namespace, call.target.name, labels, fields, call.strategy)


@lru_cache(maxsize=16384)
def _selection(namespace: str, name: str, labels: str, fields: str, strategy: Strategy) -> Selection:
    try:
        label_selector = selectors.parse(labels)
        field_selector = fieldselectors.parse(fields)
    except ValueError as wrong:
        raise bad_request(str(wrong)) from None
    for term in field_selector.terms:
        _check_field(strategy, term.field)
    field_selector = FieldSelector(tuple(_renamed(strategy, term) for term in field_selector.terms))
    if name:
        field_selector = FieldSelector((*field_selector.terms, FieldTerm("metadata.name", name)))
    tests: list[Test] = [_field_test(term) for term in field_selector.terms]
    if label_selector.requirements:
        tests.append(_label_test(label_selector))
    return Selection(namespace, tuple(tests), _interest(namespace, field_selector))


def _check_field(strategy: Strategy, field: str) -> None:
    if field in strategy.fields or field in strategy.field_aliases:
        return
    if strategy.own_field_labels:
        raise bad_request(f"field label not supported: {field}")
    raise bad_request(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def _renamed(strategy: Strategy, term: FieldTerm) -> FieldTerm:
    """The term under the name that entries know the field by."""
    return attrs.evolve(term, field=strategy.field_aliases.get(term.field, term.field))


def _interest(namespace: str, fields: FieldSelector) -> Interest:
    name, node = fields.required("metadata.name"), fields.required(NODE_FIELD)
    if name and namespace:
        return ("name", f"{namespace}/{name}")
    if name:
        return ("cluster name", name)
    if node:
        return ("node", node)
    return ("namespace", namespace) if namespace else ALL


def _field_test(term: FieldTerm) -> Test:
    field, value, negated = term.field, term.value, term.negated
    return lambda entry: (entry.fields.get(field, "") == value) is not negated


def _label_test(selector: LabelSelector) -> Test:
    if len(selector.requirements) == 1 and selector.requirements[0].operator == "=":
        key, value = selector.requirements[0].key, selector.requirements[0].values[0]
        return lambda entry: entry.labels.get(key) == value
    return lambda entry: selector.matches(entry.labels)
