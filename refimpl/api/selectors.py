"""Label selectors, as text (`app=web,tier!=db,env in (a,b),!legacy,gpus>1`), as plain maps and as objects.

Syntax, meaning and error texts: `apimachinery/pkg/labels` and `metav1.LabelSelectorAsSelector` (Kubernetes 1.36).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

import attrs

from refimpl.api import names

Operator = Literal["=", "!=", "in", "notin", "exists", "!", "gt", "lt"]
Labels = Mapping[str, str]

_TOKEN: Final = re.compile(r"[ \t\r\n]*(==|!=|[=!(),><]|[^ \t\r\n=!(),><]+|$)")
_SYMBOLS: Final = frozenset({")", ",", "!", "==", "=", ">", "<", "!=", "(", ""})
_OPERATORS: Final[Mapping[str, Operator]] = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "in": "in",
    "notin": "notin",
    ">": "gt",
    "<": "lt",
}
_OBJECT_OPERATORS: Final[Mapping[str, Operator]] = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "!",
}


@attrs.frozen
class Requirement:
    """One condition on one label.

    Attributes:
        key: label key.
        operator: what is asked.
        values: sorted values; one for `=`, `!=`, `gt` and `lt`, none for `exists` and `!`.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether the labels satisfy the condition."""
        value = labels.get(self.key)
        operator = self.operator
        if operator == "=":
            return value == self.values[0]
        match operator:
            case "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "gt" | "lt":
                return value is not None and compares(value, operator, self.values[0])

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{self.values[0]}"
            case _:
                return f"{self.key}{self.operator}{self.values[0]}"


def compares(value: str, operator: str, bound: str) -> bool:
    """Whether `value gt bound` (or `lt`) holds between two integer texts; anything else than integers never does."""
    left, right = _integer(value), _integer(bound)
    if left is None or right is None:
        return False
    return left > right if operator.lower() == "gt" else left < right


def _integer(text: str) -> int | None:
    """A 64-bit integer in Go's notation, or None."""
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text, re.ASCII) is None:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


@attrs.frozen
class LabelSelector:
    """Conditions that must all hold; none of them selects everything.

    Attributes:
        requirements: sorted by key.
        nothing: selects nothing at all, as an absent selector object does.
    """

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Labels | None) -> bool:
        """Whether an object with these labels is selected."""
        if self.nothing:
            return False
        present = labels or {}
        for requirement in self.requirements:  # noqa: SIM110 - asked for every object of a list: no generator
            if not requirement.matches(present):
                return False
        return True

    def matcher(self) -> Callable[[Labels], bool]:
        """The same question for many objects in a row, of which most have equal labels."""
        last: Labels | None = None
        answer = False

        def matches(labels: Labels) -> bool:
            nonlocal last, answer
            if labels != last:
                last, answer = labels, self.matches(labels)
            return answer

        return matches

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING: Final = LabelSelector()
NOTHING: Final = LabelSelector(nothing=True)


def parse(text: str) -> LabelSelector:
    """Reads the `labelSelector` query parameter.

    Raises:
        ValueError: bad syntax; the text is kube-apiserver's.
    """
    return LabelSelector(tuple(sorted(_Parser(text).requirements(), key=lambda requirement: requirement.key)))


def from_map(pairs: Mapping[str, str] | None) -> LabelSelector:
    """The selector of a plain map, as Services and ReplicationControllers have; an empty one selects everything."""
    return LabelSelector(tuple(Requirement(key, "=", (value,)) for key, value in sorted((pairs or {}).items())))


def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The selector of a `LabelSelector` object; an absent one selects nothing, an empty one everything.

    Raises:
        ValueError: an operator is unknown or its values do not fit it.
    """
    if selector is None:
        return NOTHING
    requirements = list(from_map(selector.get("matchLabels")).requirements)
    for expression in selector.get("matchExpressions") or ():
        operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise ValueError(f"{_quoted(expression.get('operator', ''))} is not a valid label selector operator")
        requirements.append(_requirement(expression.get("key", ""), operator, expression.get("values") or ()))
    return LabelSelector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _requirement(key: str, operator: Operator, values: Any) -> Requirement:
    wrong = [
        f"key: Invalid value: {_quoted(key)}: {'; '.join(texts)}" for texts in [names.qualified_name(key)] if texts
    ]
    listed = tuple(sorted(set(values)))
    wrong += _wrong_values(operator, listed)
    for index, value in enumerate(listed):
        if texts := names.label_value(value):
            wrong.append(f"values[{index}][{key}]: Invalid value: {_quoted(value)}: {'; '.join(texts)}")
    if wrong:
        raise ValueError(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    return Requirement(key, operator, listed)


def _wrong_values(operator: Operator, values: tuple[str, ...]) -> list[str]:
    shown = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    match operator:
        case "in" | "notin" if not values:
            return ["values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"]
        case "exists" | "!" if values:
            return [f"values: Invalid value: {shown}: values set must be empty for exists and does not exist"]
        case "gt" | "lt" if _integer(values[0]) is None:
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            return [f"values[0]: Invalid value: {_quoted(values[0])}: {why}"]
        case _:
            return []


class _Parser:
    """Recursive descent over the tokens of a label selector."""

    def __init__(self, text: str) -> None:
        self._tokens = [match.group(1) for match in _TOKEN.finditer(text)]
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def requirements(self) -> Iterator[Requirement]:
        token = self._peek()
        if token == "":
            return
        if token in _SYMBOLS and token != "!":
            raise ValueError(f"found '{token}', expected: !, identifier, or 'end of string'")
        while True:
            try:
                yield self._requirement()
            except ValueError as wrong:
                raise ValueError(f"unable to parse requirement: {wrong}") from None
            token = self._take()
            if token == "":
                return
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
            token = self._peek()
            if token in _SYMBOLS and token != "!":
                raise ValueError(f"found '{token}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        token = self._take()
        negated = token == "!"
        key = self._take() if negated else token
        if key in _SYMBOLS:
            raise ValueError(f"found '{key}', expected: identifier")
        if texts := names.qualified_name(key):
            # The original has no path to name at this point and prints its nil.
            raise ValueError(f"<nil>: Invalid value: {_quoted(key)}: {'; '.join(texts)}")
        if negated:
            return Requirement(key, "!")
        if self._peek() in {"", ","}:
            return Requirement(key, "exists")
        token = self._take()
        operator = _OPERATORS.get(token)
        if operator is None:
            raise ValueError(f"found '{token}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if operator in {"in", "notin"} else [self._exact_value()]
        return _requirement(key, operator, values)

    def _exact_value(self) -> str:
        if self._peek() in {"", ","}:
            return ""
        token = self._take()
        if token in _SYMBOLS:
            raise ValueError(f"found '{token}', expected: identifier")
        return token

    def _values(self) -> list[str]:
        token = self._take()
        if token != "(":
            raise ValueError(f"found '{token}' expected: '('")
        token = self._peek()
        if token in _SYMBOLS and token not in {",", ")"}:
            raise ValueError(f"found '{token}', expected: ',', ')' or identifier")
        values = []
        while True:
            values.append(self._listed_value())
            token = self._take()
            if token == ")":
                return values
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or ')'")

    def _listed_value(self) -> str:
        if self._peek() in {",", ")"}:
            return ""
        token = self._take()
        if token in _SYMBOLS:
            raise ValueError(f"found '{token}', expected: ',', or identifier")
        return token
