"""Constructors of validation causes, with the texts of kube-apiserver 1.36 (`apimachinery/pkg/util/validation/field`).

Paths are plain texts: `spec.containers[0].name`, `data[bad key]`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from refimpl.api.errors import Cause

IMMUTABLE = "field is immutable"


def show(value: object) -> str:
    """A value as error texts quote it: texts in double quotes, the rest as JSON."""
    return msgspec.json.encode(value).decode()


def invalid(path: str, value: object, why: str) -> Cause:
    """The value breaks a rule."""
    return Cause("FieldValueInvalid", f"Invalid value: {show(value)}: {why}", path)


def required(path: str, why: str = "") -> Cause:
    """The value is missing."""
    return Cause("FieldValueRequired", f"Required value: {why}" if why else "Required value", path)


def duplicate(path: str, value: object, why: str = "") -> Cause:
    """The value occurs twice where it must be unique."""
    text = f"Duplicate value: {show(value)}"
    return Cause("FieldValueDuplicate", f"{text}: {why}" if why else text, path)


def forbidden(path: str, why: str) -> Cause:
    """The field must not be set, or not be changed."""
    return Cause("FieldValueForbidden", f"Forbidden: {why}", path)


def not_found(path: str, value: object) -> Cause:
    """The value refers to something that is not there."""
    return Cause("FieldValueNotFound", f"Not found: {show(value)}", path)


def not_supported(path: str, value: object, allowed: Iterable[str]) -> Cause:
    """The value is not one of a closed set.

    Args:
        path: of the field.
        value: what was given.
        allowed: the set, in the order in which the text lists it.
    """
    listed = ", ".join(show(item) for item in allowed)
    return Cause("FieldValueNotSupported", f"Unsupported value: {show(value)}: supported values: {listed}", path)


def too_long(path: str, limit: int) -> Cause:
    """The text has more bytes than allowed."""
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", path)


def too_many(path: str, count: int, limit: int) -> Cause:
    """The list has more items than allowed."""
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} items", path)


def immutable(path: str, old: object, new: object) -> list[Cause]:
    """One cause when a field that may not change has changed."""
    return [] if old == new else [invalid(path, new, IMMUTABLE)]
