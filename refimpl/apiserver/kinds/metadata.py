"""Rules for `metadata` that hold for every kind."""

from __future__ import annotations

from collections.abc import Iterable

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.strategy import Context, Strategy


def validate_create(ctx: Context, strategy: Strategy, obj: Object) -> Iterable[Cause]:
    """What is wrong with the metadata of a new object."""
    return ()


def validate_update(ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
    """What is wrong with the metadata of a changed object."""
    return ()
