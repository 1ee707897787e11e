"""Expectations: the guard against creating twice what the cache does not show yet.

Before a controller creates or deletes pods it notes how many changes it will have to see; until the cache has shown
them it takes no further decision about that owner.
Source: kube-controller-manager 1.36 `controller_utils.go` (`UIDTrackingControllerExpectations`).
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from refimpl.clock import Clock

TIMEOUT_SECONDS = 300.0
"""After this long unseen changes are given up: a watch event was lost, and the cache is as good as it gets."""


@attrs.define
class _Pending:
    creations: int
    deletions: dict[str, None]
    since: float


class Expectations:
    """What each owner's cache has yet to show; owners are named by uid.

    Args:
        clock: for the time-out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending: dict[str, _Pending] = {}

    def expect(self, owner: str, *, creations: int = 0, deletions: Iterable[str] = ()) -> None:
        """Notes changes about to be made; `deletions` are uids. Replaces what was expected before."""
        self._pending[owner] = _Pending(creations, dict.fromkeys(deletions), self._clock.monotonic())

    def created(self, owner: str, count: int = 1) -> None:
        """Creations were seen, or will not come because they failed."""
        pending = self._pending.get(owner)
        if pending is not None:
            pending.creations -= count
            self._settle(owner, pending)

    def deleted(self, owner: str, uid: str) -> None:
        """A deletion was seen (the mark is enough), or will not come because it failed."""
        pending = self._pending.get(owner)
        if pending is not None:
            pending.deletions.pop(uid, None)
            self._settle(owner, pending)

    def met(self, owner: str) -> bool:
        """Whether the cache has caught up, or will never."""
        pending = self._pending.get(owner)
        return pending is None or self._clock.monotonic() - pending.since > TIMEOUT_SECONDS

    def forget(self, owner: str) -> None:
        """The owner is gone."""
        self._pending.pop(owner, None)

    def _settle(self, owner: str, pending: _Pending) -> None:
        if pending.creations <= 0 and not pending.deletions:
            del self._pending[owner]
