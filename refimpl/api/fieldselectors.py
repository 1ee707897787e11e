"""Field selectors: `spec.nodeName=n1,status.phase!=Running`, with `,` `=` and backslash escaped in values.

Which fields a kind offers is the API server's business. Syntax and error texts: `apimachinery/pkg/fields`
(Kubernetes 1.36).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs


@attrs.frozen
class FieldTerm:
    """One condition on one field.

    Attributes:
        field: path as written, e.g. `spec.nodeName`.
        value: unescaped value.
        negated: the field must differ.
    """

    field: str
    value: str
    negated: bool = False


@attrs.frozen
class FieldSelector:
    """Conditions on fields that must all hold; none of them selects everything."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, value_of: Callable[[str], str]) -> bool:
        """Whether an object is selected.

        Args:
            value_of: gives the text of a field of that object.
        """
        return all((value_of(term.field) == term.value) is not term.negated for term in self.terms)

    def required(self, field: str) -> str | None:
        """The value that the selector asks the field to equal, or None when it leaves it open."""
        return next((term.value for term in self.terms if term.field == field and not term.negated), None)


def parse(text: str) -> FieldSelector:
    """Reads the `fieldSelector` query parameter.

    Raises:
        ValueError: bad syntax; the text is kube-apiserver's.
    """
    # Sorted, as in the original: it decides which of several bad terms is named.
    return FieldSelector(tuple(_field_term(text, part) for part in sorted(_split_terms(text)) if part))


def _split_terms(text: str) -> list[str]:
    return re.findall(r"(?:\\.?|[^\\,])*", text, re.DOTALL) if "," in text else [text]


def _field_term(selector: str, part: str) -> FieldTerm:
    match = re.fullmatch(r"(.*?)(!=|==|=)(.*)", part, re.DOTALL)
    if match is None:
        raise ValueError(f"invalid selector: '{selector}'; can't understand '{part}'")
    field, operator, value = match.groups()
    return FieldTerm(field, _unescaped(value), operator == "!=")


def _unescaped(text: str) -> str:
    unescaped = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in {"\\", ",", "="}:
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{escaped}")
            unescaped.append(escaped)
        elif character in {",", "="}:
            raise ValueError(f"invalid field selector: unescaped character in value: {ord(character)}")
        else:
            unescaped.append(character)
    return "".join(unescaped)
