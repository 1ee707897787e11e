"""`IntOrString`: counts that may be given as a percentage."""

from __future__ import annotations


def scaled(value: int | str | None, total: int, *, round_up: bool) -> int:
    """The number of pods meant by a number or by a percentage of `total`; None is 0.

    Source: apimachinery 1.36 `GetScaledValueFromIntOrPercent`.
    """
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%"))
    return -(-percent * total // 100) if round_up else percent * total // 100
