"""What is wrong with a LabelSelector or a node selector.

Source: kube-apiserver 1.36 `apimachinery/pkg/apis/meta/v1/validation` and `pkg/apis/core/validation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names, selectors
from refimpl.api.errors import Cause, Object
from refimpl.api.selectors import LabelSelector
from refimpl.apiserver.kinds import causes, metadata

VALUES_NEEDED: Final = "must be specified when `operator` is 'In' or 'NotIn'"
VALUES_FORBIDDEN: Final = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
ONE_VALUE_NEEDED: Final = "must be specified single value when `operator` is 'Lt' or 'Gt'"
BAD_OPERATOR: Final = "not a valid selector operator"


def label_selector_causes(selector: Object | None, path: str) -> Iterable[Cause]:
    """Rules for a LabelSelector; None is no selector."""
    if selector is None:
        return
    yield from metadata.label_causes(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or []):
        yield from _expression_causes(expression, f"{path}.matchExpressions[{index}]")


def _expression_causes(expression: Object, path: str) -> Iterable[Cause]:
    operator, values = expression.get("operator", ""), expression.get("values") or []
    yield from _operator_causes(operator, values, path)
    yield from key_causes(expression.get("key", ""), f"{path}.key")
    for index, value in enumerate(values):
        for why in names.label_value(value):
            yield causes.invalid(f"{path}.values[{index}]", value, why)


def _operator_causes(operator: str, values: list[str], path: str) -> Iterable[Cause]:
    if operator in {"In", "NotIn"}:
        if not values:
            yield causes.required(f"{path}.values", VALUES_NEEDED)
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            yield causes.forbidden(f"{path}.values", VALUES_FORBIDDEN)
    else:
        yield causes.invalid(f"{path}.operator", operator, BAD_OPERATOR)


def key_causes(key: str, path: str) -> Iterable[Cause]:
    """Rules for a label key."""
    for why in names.qualified_name(key):
        yield causes.invalid(path, key, why)


def node_selector_causes(selector: Object, path: str) -> Iterable[Cause]:
    """Rules for a required node selector: at least one term."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        yield causes.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from node_selector_term_causes(term, f"{path}.nodeSelectorTerms[{index}]")


def node_selector_term_causes(term: Object, path: str) -> Iterable[Cause]:
    """Rules for one term of a node selector."""
    for index, expression in enumerate(term.get("matchExpressions") or []):
        yield from _node_expression_causes(expression, f"{path}.matchExpressions[{index}]")
    for index, expression in enumerate(term.get("matchFields") or []):
        yield from _node_field_causes(expression, f"{path}.matchFields[{index}]")


def _node_expression_causes(expression: Object, path: str) -> Iterable[Cause]:
    operator, values = expression.get("operator", ""), expression.get("values") or []
    if operator in {"Gt", "Lt"}:
        if len(values) != 1:
            yield causes.required(f"{path}.values", ONE_VALUE_NEEDED)
    else:
        yield from _operator_causes(operator, values, path)
    yield from key_causes(expression.get("key", ""), f"{path}.key")
    for index, value in enumerate(values):
        for why in names.label_value(value):
            yield causes.invalid(f"{path}.values[{index}]", value, why)


def _node_field_causes(expression: Object, path: str) -> Iterable[Cause]:
    operator, values = expression.get("operator", ""), expression.get("values") or []
    if operator not in {"In", "NotIn"}:
        yield causes.invalid(f"{path}.operator", operator, BAD_OPERATOR)
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield causes.required(f"{path}.values", why)
    if expression.get("key") != "metadata.name":
        yield causes.invalid(f"{path}.key", expression.get("key", ""), "not a valid field selector key")
        return
    for index, value in enumerate(values):
        for why in names.dns1123_subdomain(value):
            yield causes.invalid(f"{path}.values[{index}]", value, why)


def parsed(selector: Object | None) -> LabelSelector | None:
    """A LabelSelector ready to match labels; None when it cannot be understood."""
    try:
        return selectors.from_object(selector)
    except ValueError:
        return None
