"""The chain of admission steps."""

from __future__ import annotations

from collections.abc import Callable

from refimpl.api.errors import Object
from refimpl.apiserver.strategy import Context

Step = Callable[[Context, Object | None, Object | None], None]
"""One admission plug-in: receives the old object (None on create) and the new one (None on delete), changes the new one
in place, raises `ApiError` to refuse."""

CHAIN: tuple[Step, ...] = ()


def admit(ctx: Context, old: Object | None, new: Object | None) -> None:
    """Runs every step over one write.

    Args:
        ctx: the request.
        old: the stored object; None on create.
        new: the object to be written, changed in place; None on delete.

    Raises:
        ApiError: a step refuses.
    """
    for step in CHAIN:
        step(ctx, old, new)
