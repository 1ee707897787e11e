"""What a Docker runtime knows: pods and the runs of their containers, with news for whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Collection

import attrs

from refimpl.kubelet.runtime.base import Container, Sandbox


@attrs.define(eq=False)
class DockerPod:
    """One pod.

    Attributes:
        id: Docker's id of its sandbox.
        facts: the pod without its containers.
        runs: the runs of its containers by id.
    """

    id: str
    facts: Sandbox
    runs: dict[str, Container] = attrs.field(factory=dict)

    def sandbox(self) -> Sandbox:
        """The current picture, the newest run of each container first."""
        ordered = sorted(self.runs.values(), key=lambda run: (run.name, -run.attempt))
        return attrs.evolve(self.facts, containers=tuple(ordered))


class DockerTable:
    """Pods by uid.

    Args:
        tell: told the uid of a pod of which something changed.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.pods: dict[str, DockerPod] = {}
        self._pids: dict[str, int] = {}
        self._tell = tell

    def note(self, run: Container, pid: int) -> None:
        """Takes a run in; what ended never runs again, whatever late answers say.

        Args:
            run: as it was inspected.
            pid: of its main process.
        """
        pod = self.pods.get(run.pod_uid)
        if pod is None:
            return
        known = pod.runs.get(run.id)
        if known == run or (known is not None and not known.running and run.running):
            return
        pod.runs[run.id] = run
        if run.running:
            self._pids[run.id] = pid
        else:
            self._pids.pop(run.id, None)
        self._tell(run.pod_uid)

    def lose(self, container_id: str) -> None:
        """Forgets a run that somebody removed."""
        self._pids.pop(container_id, None)
        for uid, pod in self.pods.items():
            if pod.runs.pop(container_id, None) is not None:
                self._tell(uid)

    def keep_only(self, there: Collection[str]) -> None:
        """Forgets everything but what exists.

        Args:
            there: ids of all sandboxes and containers.
        """
        for uid, pod in list(self.pods.items()):
            for gone in [run for run in pod.runs if run not in there]:
                self.lose(gone)
            if pod.id not in there and not pod.runs:
                del self.pods[uid]
                self._tell(uid)

    def pids(self, uid: str) -> list[int]:
        """The main processes of a pod's running containers."""
        pod = self.pods.get(uid)
        return [self._pids[run] for run in pod.runs if run in self._pids] if pod else []
