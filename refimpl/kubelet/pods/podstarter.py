"""Starting containers: back-off, environment, the runtime, the postStart hook.

Source: kubelet 1.36 `startContainer`, `doBackOff`, `images/image_manager.go`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import Object
from refimpl.kubelet import podspec
from refimpl.kubelet.pods import crashloop
from refimpl.kubelet.pods.podactions import Start
from refimpl.kubelet.pods.podrecord import PodRecord
from refimpl.kubelet.pods.termination import Stopper
from refimpl.kubelet.pods.workercontext import WorkerContext
from refimpl.kubelet.runtime import images
from refimpl.kubelet.runtime.base import Container, Sandbox, StartFailure
from refimpl.kubelet.runtime.environment import Place, environment

RETRY_DELAY: Final = 10.0
_PULL_FAILED: Final = ("ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed")
_PULL_BACKOFF_SHOWN_AFTER: Final = 1.0


def _had(image: str, *, pulled: bool) -> str:
    """How an image came to be on the node."""
    return f'Successfully pulled image "{image}"' if pulled else f'Container image "{image}" already present on machine'


class Starter:
    """Starts containers.

    Args:
        context: what it works with.
        stopper: stops containers whose hook failed.
    """

    def __init__(self, context: WorkerContext, stopper: Stopper) -> None:
        self._context = context
        self._clock = context.clock
        self._runtime = context.runtime
        self._stopper = stopper

    async def start(self, record: PodRecord, sandbox: Sandbox | None, start: Start) -> float | None:
        """Starts a container, unless it must wait; seconds after which to try (again), None when it runs."""
        delay = self.backoff(record, start)
        if delay is not None:
            return delay
        pod, name = record.pod, start.name
        ips = sandbox.ips if sandbox else ()
        place = Place(ips, self._context.host_ips(), self._context.allocatable())
        try:
            refused = images.refusal(start.spec)
            if refused is not None:
                raise refused
            env = await environment(self._context.client, pod, start.spec, place)
            run = await self._runtime.start_container(pod, start.spec, start.attempt, env)
        except StartFailure as failure:
            return self._note_failure(record, start, failure)
        record.killed.discard(name)
        record.waiting.pop(name, None)
        record.pulls.pop(name, None)
        image = start.spec.get("image", "")
        self._event(record, name, "Normal", "Pulled", _had(image, pulled=run.pulled))
        self._event(record, name, "Normal", "Created", f"Created container: {name}")
        self._event(record, name, "Normal", "Started", f"Started container {name}")
        await self._after_start(record, start.spec, run)
        return None

    async def _after_start(self, record: PodRecord, spec: Object, run: Container) -> None:
        """Runs the postStart hook; its failure kills the container."""
        hook = (spec.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        command = (hook.get("exec") or {}).get("command")
        failed = command is not None and (await self._runtime.exec(run.id, command)).exit_code != 0
        if failed:
            self._event(record, run.name, "Warning", "FailedPostStartHook", "PostStartHook failed")
            await self._stopper.stop_container(
                record,
                run,
                podspec.spec_grace(record.pod),
                minimum=podspec.MINIMUM_GRACE,
                message="FailedPostStartHook",
            )

    def backoff(self, record: PodRecord, start: Start) -> float | None:
        """Seconds that a start must still wait after crashes or failed pulls; None when it need not."""
        name, now, longest = start.name, self._clock.now(), self._context.longest_backoff
        pull = record.pulls.get(name)
        if pull is not None:
            left = crashloop.remaining(pull, pull.restarted_at, now, longest=longest)
            if left > 0:
                record.waiting[name] = ("ImagePullBackOff", f'Back-off pulling image "{start.spec.get("image", "")}"')
                return left
        previous = start.previous
        if previous is None or previous.finished_at is None:
            return None
        known = record.crashes.get(name)
        left = crashloop.remaining(known, previous.finished_at, now, longest=longest)
        if left > 0 and known is not None:
            self._enter_backoff(record, name, known.wait)
            return left
        record.crashes[name] = crashloop.restarted(known, previous.finished_at, now, longest=longest)
        return None

    def _enter_backoff(self, record: PodRecord, name: str, wait: float) -> None:
        described = podspec.describe(record.pod)
        words = ("CrashLoopBackOff", crashloop.words(wait, name, described))
        if record.waiting.get(name) != words:
            record.waiting[name] = words
            text = f"Back-off restarting failed container {name} in pod {described}"
            self._event(record, name, "Warning", "BackOff", text)

    def _note_failure(self, record: PodRecord, start: Start, failure: StartFailure) -> float:
        name, now = start.name, self._clock.now()
        record.waiting[name] = (failure.reason, failure.message)
        self._event(record, name, "Warning", "Failed", f"Error: {failure.message}")
        if failure.reason not in _PULL_FAILED:
            return RETRY_DELAY
        known = record.pulls.get(name)
        finished = known.restarted_at if known else now
        record.pulls[name] = crashloop.restarted(known, finished, now, longest=self._context.longest_backoff)
        return _PULL_BACKOFF_SHOWN_AFTER

    def _event(self, record: PodRecord, container: str, kind: str, reason: str, message: str) -> None:
        self._context.event(record.pod, container, kind, reason, message)
