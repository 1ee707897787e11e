"""Resource quantities: `100m`, `1.5Gi`, `2e3`.

The syntax, the rounding and the canonical form are those of `apimachinery/pkg/api/resource` (Kubernetes 1.36):

* a value below one billionth is rounded away from zero to one billionth; binary values are capped at 2**63-1;
* the canonical form has the largest suffix that leaves an integer: `1000m` is `1`, `1024Ki` is `1Mi`, `0.5` is `500m`;
* a text that is canonical by that package's own (slightly generous) test is kept as it was written.

Amounts are exact `Decimal`s in the base unit (cores, bytes, pods).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

import attrs

Notation = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

FORMAT_WRONG: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_WRONG: Final = "unable to parse quantity's suffix"

_FORM: Final = re.compile(r"([+-]?)0*([0-9]*)(\.?)([0-9]*)([eEinumkKMGTP]*[+-]?[0-9]*)", re.ASCII)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX: Final = {0: "", **{exponent: suffix for suffix, exponent in _BINARY.items()}}

_NANO: Final = 10**9
_MAX_BINARY: Final = (2**63 - 1) * _NANO
_MAX_EXPONENT: Final = 1000
_FAST_DIGITS: Final = 18


class QuantityError(ValueError):
    """A text that is no quantity.

    Attributes:
        text: what was given.
        reason: what is wrong, in kube-apiserver's words (which do not name the text).
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r}: {reason}")
        self.text = text
        self.reason = reason


@attrs.frozen
class Quantity:
    """A parsed quantity.

    Attributes:
        amount: exact amount in the base unit.
        notation: how it was written; decides the suffixes of the canonical form.
        text: canonical form.
        value: the amount as an integer, rounded away from zero.
        milli_value: thousandths as an integer, rounded away from zero.
    """

    amount: Decimal
    notation: Notation
    text: str
    value: int
    milli_value: int


def parse(value: str | float) -> Decimal:
    """The exact amount of a quantity.

    Raises:
        QuantityError: the value is no quantity.
    """
    return of(value).amount


def canonical(value: str | float) -> str:
    """The text under which the API server stores and shows a quantity.

    Raises:
        QuantityError: the value is no quantity.
    """
    return of(value).text


def canonical_milli(value: str | float) -> str:
    """The canonical text after rounding away from zero to thousandths, as in every stored ResourceList.

    Raises:
        QuantityError: the value is no quantity.
    """
    return _text_in_thousandths(value) if isinstance(value, str) else _in_thousandths(of(value))


def value(quantity: str | float) -> int:
    """The amount as an integer, rounded away from zero: bytes, pods.

    Raises:
        QuantityError: the value is no quantity.
    """
    return of(quantity).value


def milli_value(quantity: str | float) -> int:
    """Thousandths (milli-CPU) as an integer, rounded away from zero.

    Raises:
        QuantityError: the value is no quantity.
    """
    return of(quantity).milli_value


def compare(left: str | float, right: str | float) -> int:
    """-1, 0 or 1 as left is smaller than, equal to or larger than right.

    Raises:
        QuantityError: one of them is no quantity.
    """
    a, b = of(left).amount, of(right).amount
    return (a > b) - (a < b)


def of(value: str | float) -> Quantity:
    """The parsed form of a quantity as it stands in JSON (text or number).

    Raises:
        QuantityError: the value is no quantity.
    """
    if isinstance(value, str):
        return _parse(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise QuantityError(str(value), FORMAT_WRONG)
    return _parse(repr(value))


def to_text(amount: Decimal | int, notation: Notation = "DecimalSI") -> str:
    """The canonical text of an amount, e.g. of a sum.

    Args:
        amount: in the base unit; fractions below one billionth are rounded away from zero.
        notation: which suffixes to use.
    """
    sign, digits, exponent = Decimal(amount).as_tuple()
    assert isinstance(exponent, int)
    mantissa = int("".join(map(str, digits)) or "0")
    nanos = _scaled(mantissa, exponent + 9)
    return _to_text(-nanos if sign else nanos, notation)


@lru_cache(maxsize=8192)
def _text_in_thousandths(text: str) -> str:
    return _in_thousandths(of(text))


def _in_thousandths(parsed: Quantity) -> str:
    exponent = parsed.amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -3:
        return parsed.text
    return to_text(Decimal(parsed.milli_value).scaleb(-3), parsed.notation)


@lru_cache(maxsize=8192)
def _parse(text: str) -> Quantity:
    if not text:
        raise QuantityError(text, FORMAT_WRONG)
    match = _FORM.fullmatch(text)
    if match is None:
        raise QuantityError(text, FORMAT_WRONG)
    sign, whole, _, fraction, suffix = match.groups()
    digits = (whole or "0") + fraction
    notation, nanos = _unsigned_nanos(text, int(digits), len(fraction), suffix)
    if sign == "-":
        nanos = -nanos
    written = text if _written_canonically(digits, len(fraction), suffix, notation) else _to_text(nanos, notation)
    return _quantity(nanos, notation, written)


def _unsigned_nanos(text: str, mantissa: int, places: int, suffix: str) -> tuple[Notation, int]:
    if suffix in _BINARY:
        nanos = min(_scaled(mantissa << _BINARY[suffix], 9 - places), _MAX_BINARY)
        return ("DecimalSI" if 0 < nanos < _NANO else "BinarySI"), nanos
    exponent = _DECIMAL.get(suffix)
    if exponent is not None:
        return "DecimalSI", _scaled(mantissa, exponent + 9 - places)
    return "DecimalExponent", _scaled(mantissa, _exponent(text, suffix) + 9 - places)


def _exponent(text: str, suffix: str) -> int:
    if len(suffix) < 2 or suffix[0] not in "eE":
        raise QuantityError(text, SUFFIX_WRONG)
    try:
        exponent = int(suffix[1:])
    except ValueError:
        raise QuantityError(text, SUFFIX_WRONG) from None
    # Kubernetes takes any 32-bit exponent; a bound keeps a hostile `1e999999999` from filling memory.
    if abs(exponent) > _MAX_EXPONENT:
        raise QuantityError(text, SUFFIX_WRONG)
    return exponent


def _scaled(mantissa: int, exponent: int) -> int:
    """`mantissa * 10**exponent`, rounded up."""
    if exponent >= 0:
        return int(mantissa * 10**exponent)
    return int(-(-mantissa // 10**-exponent))


def _written_canonically(digits: str, places: int, suffix: str, notation: Notation) -> bool:
    """Whether the parser keeps the text: a shortcut of the original, visible in `1.500` and `0010Ki`."""
    significant = digits.lstrip("0") if places == 0 else digits
    if not significant:
        return False
    if suffix in _BINARY:
        binary_digits = _FAST_DIGITS - 4 - _BINARY[suffix] * 3 // 10
        return places == 0 and len(significant) <= binary_digits and int(significant) % 8 != 0
    if len(significant) > _FAST_DIGITS:
        return False
    exponent = _DECIMAL[suffix] if notation == "DecimalSI" else int(suffix[1:])
    scale = exponent - places
    return scale >= -9 and scale % 3 == 0 and not significant.endswith("000") and significant[0] != "0"


def _to_text(nanos: int, notation: Notation) -> str:
    if nanos == 0:
        return "0"
    whole, rest = divmod(nanos, _NANO)
    if notation == "BinarySI" and rest == 0 and abs(whole) >= 1024:
        exponent = 0
        while whole % 1024 == 0 and exponent < 60:
            whole //= 1024
            exponent += 10
        return f"{whole}{_BINARY_SUFFIX[exponent]}"
    exponent = -9
    while nanos % 1000 == 0 and (exponent < 18 or notation == "DecimalExponent"):
        nanos //= 1000
        exponent += 3
    if notation == "DecimalExponent":
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{_DECIMAL_SUFFIX[exponent]}"


def _quantity(nanos: int, notation: Notation, text: str) -> Quantity:
    sign = -1 if nanos < 0 else 1
    size = abs(nanos)
    return Quantity(
        amount=_exact(nanos),
        notation=notation,
        text=text,
        value=sign * -(-size // _NANO),
        milli_value=sign * -(-size // 10**6),
    )


def _exact(nanos: int) -> Decimal:
    whole, rest = divmod(nanos, _NANO)
    if rest == 0:
        return Decimal(whole)
    # Built from digits: arithmetic would round to the context's 28 places.
    return Decimal((int(nanos < 0), tuple(map(int, str(abs(nanos)))), -9))
