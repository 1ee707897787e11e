"""The rate-limited queue in front of the NoExecute taint: one for each zone.

Source: kube-controller-manager 1.36 `nodelifecycle/scheduler/rate_limited_queue`; client-go `flowcontrol` token bucket.
(Up to 1.20.4 a node that waited stood in line several times: its taint was written again and again, and one that came
back while waiting could block its zone for ever. Kubernetes issue 94183; not reproduced here.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

BURST = 1.0


@attrs.define
class TokenBucket:
    """Allows `rate` actions a second on average and one at a time; a rate of 0 allows none.

    Args:
        rate: tokens a second.
    """

    rate: float
    _left: float = attrs.field(default=BURST, init=False)
    _taken_at: float | None = attrs.field(default=None, init=False)

    def try_accept(self, now: float) -> bool:
        """Takes a token if there is one; `now` in seconds of any steady clock."""
        if self.rate <= 0:
            return False
        tokens = self._left
        if self._taken_at is not None:
            tokens = min(BURST, self._left + (now - self._taken_at) * self.rate)
        if tokens < 1.0:
            return False
        self._left, self._taken_at = tokens - 1.0, now
        return True


class RateLimitedQueue:
    """Distinct names in order of arrival, handed out at a rate that can change.

    A name that was handed out stays known, and is not queued again, until it is removed.

    Args:
        rate: names a second.
    """

    def __init__(self, rate: float) -> None:
        self._limiter = TokenBucket(rate)
        self._due: dict[str, float] = {}
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._due)

    @property
    def rate(self) -> float:
        """Names a second; 0 when nothing is handed out."""
        return self._limiter.rate

    def add(self, name: str, now: float) -> bool:
        """Queues a name unless it is known already; True when it was queued."""
        if name in self._known:
            return False
        self._known.add(name)
        self._due[name] = now
        return True

    def remove(self, name: str) -> None:
        """Forgets a name: it is not handed out unless added again."""
        if name in self._known:
            self._known.discard(name)
            self._due.pop(name, None)

    def set_rate(self, rate: float, now: float) -> None:
        """Changes the rate; if the old limiter would have made a name wait, so does the new one."""
        if rate == self._limiter.rate:
            return
        limiter = TokenBucket(rate)
        if rate > 0 and not self._limiter.try_accept(now):
            limiter.try_accept(now)
        self._limiter = limiter

    async def hand_out(self, act: Callable[[str], Awaitable[float | None]], now: Callable[[], float]) -> None:
        """Hands out names, oldest first, as long as the rate allows.

        Args:
            act: works on a name; None when it is done with, else the seconds until it is to be tried again.
            now: the clock.
        """
        while self._due and self._limiter.try_accept(now()):
            name, due = min(self._due.items(), key=lambda entry: entry[1])
            started = now()
            if started < due:
                return
            again_in = await act(name)
            if name not in self._known:
                continue
            if again_in is None:
                self._due.pop(name, None)
            else:
                self._due[name] = started + again_in
