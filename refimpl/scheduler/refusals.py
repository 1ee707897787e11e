"""A refusal holds for every pod that asks for the same, until something changes.

When a full cluster keeps a thousand replicas waiting and one pod goes, one of them gets its room and the others need
not ask a thousand nodes each to learn that nothing is left.
"""

from __future__ import annotations

from refimpl.scheduler.cache import Cache
from refimpl.scheduler.nominator import Nominator
from refimpl.scheduler.podinfo import PodInfo

_Kind = tuple[bytes, int, bool]
_State = tuple[int, int]


class Refusals:
    """Remembers what was refused since the last change.

    Only what each node refused by itself may be remembered: it holds as well for pods that care for other pods besides.

    Args:
        cache: nodes and the pods on them.
        nominator: pods that room is being made for.
    """

    def __init__(self, cache: Cache, nominator: Nominator) -> None:
        self._cache = cache
        self._nominator = nominator
        self._state: _State = (0, 0)
        self._messages: dict[_Kind, str] = {}

    def remember(self, pod: PodInfo, message: str) -> None:
        """No node can take a pod like this one, and preemption does not help."""
        if not self._nominator.node_of(pod.uid):
            self._current()[_kind(pod)] = message

    def recall(self, pod: PodInfo) -> str:
        """Why no node can take the pod, if that is known; else empty."""
        if self._nominator.node_of(pod.uid):
            return ""
        return self._current().get(_kind(pod), "")

    def _current(self) -> dict[_Kind, str]:
        state = self._cache.generation, self._nominator.changes
        if state != self._state:
            self._state = state
            self._messages.clear()
        return self._messages


def _kind(pod: PodInfo) -> _Kind:
    return pod.asks.signature, pod.priority, pod.spec.get("preemptionPolicy") == "Never"
