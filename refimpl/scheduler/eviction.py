"""Making room: asks the victims of a preemption to go, gracefully, and says why.

The preemptor is bound only when they are gone, which the scheduler learns like any other deletion.

Source: kube-scheduler 1.36 `framework/preemption`, `PreemptPod`, `clearNominatedNodeName`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import PODS
from refimpl.client.client import Client
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.scheduler.failure import patch_pod_status, status_patch
from refimpl.scheduler.podinfo import PodInfo
from refimpl.scheduler.preemption import BY_SCHEDULER, DISRUPTION_TARGET, Candidate
from refimpl.scheduler.recorder import SchedulerEvents

log = logging.getLogger(__name__)


class Evictor:
    """Carries out preemptions.

    Args:
        client: the API.
        clock: for stamps.
        events: where it is told.
        scheduler_name: who does it.
    """

    def __init__(self, client: Client, clock: Clock, events: SchedulerEvents, scheduler_name: str) -> None:
        self._client = client
        self._clock = clock
        self._events = events
        self._scheduler_name = scheduler_name

    async def make_room(self, pod: PodInfo, candidate: Candidate, outranked: Iterable[PodInfo]) -> bool:
        """Evicts the victims; False when one of them could not be asked to go.

        Args:
            pod: the preemptor.
            candidate: the node and its victims.
            outranked: less important pods that were nominated to the node, and lose that.
        """
        for other in outranked:
            await patch_pod_status(self._client, other, status_patch(other.pod, self._clock.timestamp(), nomination=""))
        return all([await self._evict(pod, victim, candidate.node) for victim in candidate.victims])

    async def _evict(self, pod: PodInfo, victim: PodInfo, node: str) -> bool:
        if victim.terminating:
            return True
        patch = status_patch(victim.pod, self._clock.timestamp(), condition=_disruption(self._scheduler_name))
        if not await patch_pod_status(self._client, victim, patch):
            return False
        try:
            await self._client.delete(PODS, victim.name, namespace=victim.namespace, uid=victim.uid)
        except ApiError as error:
            if error.code != 404:
                log.warning("preempting %s/%s: %s", victim.namespace, victim.name, error)
            return error.code == 404
        except Unreachable as error:
            log.warning("preempting %s/%s: %s", victim.namespace, victim.name, error)
            return False
        self._events.preempted(victim, pod, node)
        return True


def _disruption(scheduler_name: str) -> Object:
    return {
        "type": DISRUPTION_TARGET,
        "status": "True",
        "reason": BY_SCHEDULER,
        "message": f"{scheduler_name}: preempting to accommodate a higher priority pod",
    }
