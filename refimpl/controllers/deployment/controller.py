"""The loop around the decision.

Source: kube-controller-manager 1.36 `deployment_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import controller_of, labels
from refimpl.api.resources import DEPLOYMENTS, PODS, REPLICASETS
from refimpl.api.selectors import from_object
from refimpl.client.informer import Key, key_of
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.deployment import limits, reconcile, replicasets, status
from refimpl.controllers.deployment.reconcile import View
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads import conditions, owners
from refimpl.controllers.workloads.actions import Create, carry_out
from refimpl.controllers.workloads.changes import keyed, split
from refimpl.controllers.workloads.owners import (
    BY_CONTROLLER,
    BY_NAMESPACE,
    Claims,
    by_controller,
    by_namespace,
    controller_uid,
)
from refimpl.controllers.workloads.podcontrol import namespace_is_going, take
from refimpl.controllers.workloads.workers import run_workers


class DeploymentController:
    """Rolls Deployments out.

    Args:
        context: of the manager.
        concurrent_syncs: how many Deployments are worked on at a time.
    """

    name = "deployment-controller"

    def __init__(self, context: ControllerContext, *, concurrent_syncs: int = 5) -> None:
        self._client = context.client
        self._clock = context.clock
        self._concurrent_syncs = concurrent_syncs
        self._recorder = context.recorder("deployment-controller")
        self._queue: WorkQueue[Key] = WorkQueue(context.clock)
        indexes = {BY_CONTROLLER: by_controller, BY_NAMESPACE: by_namespace}
        self._deployments = context.informers.informer(DEPLOYMENTS, {BY_NAMESPACE: by_namespace})
        self._replica_sets = context.informers.informer(REPLICASETS, indexes)
        self._pods = context.informers.informer(PODS, {BY_CONTROLLER: by_controller})
        self._deployments.add_handler(keyed(self._queue.add))
        self._replica_sets.add_handler(split(self._replica_set_changed))
        self._pods.add_handler(split(self._pod_changed))

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, self._concurrent_syncs)

    async def sync(self, key: Key) -> None:
        """Makes the next step of one Deployment.

        Raises:
            ApiError, Unreachable: a step was refused; the key is to be tried again.
        """
        deployment = self._deployments.get(key[1], key[0])
        if deployment is None:
            return
        if deployment["spec"].get("selector") == {}:
            message = "This deployment is selecting all pods. A non-empty selector is required."
            self._recorder.event(deployment, "Warning", "SelectingAll", message)
            return
        replica_sets = await take(self._client, DEPLOYMENTS, REPLICASETS, deployment, self._claim(deployment))
        for action in reconcile.reconcile(View(deployment, replica_sets, self._pods_of, self._clock.now())):
            if isinstance(action, Create):
                await self._create(deployment, action.body)
                continue
            wait = await carry_out([action], self._client, self._recorder)
            if wait is not None:
                self._queue.add_after(key, wait)

    def _claim(self, deployment: Object) -> Claims:
        selector = from_object(deployment["spec"]["selector"])
        return owners.claim(deployment, selector, *owners.held_and_orphans(self._replica_sets, deployment))

    def _pods_of(self, replica_set: Object) -> Iterable[Object]:
        return self._pods.by_index(BY_CONTROLLER, replica_set["metadata"]["uid"])

    async def _create(self, deployment: Object, replica_set: Object) -> None:
        try:
            await self._client.create(REPLICASETS, replica_set)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._resolve_collision(deployment, replica_set)
                return
            if not namespace_is_going(error):
                await self._tell_failure(deployment, replica_set, error)
            raise

    async def _resolve_collision(self, deployment: Object, replica_set: Object) -> None:
        """The name is taken: by our own ReplicaSet that the cache does not show yet, or by another content.

        Raises:
            ApiError: it is another content; the next hash is tried after the status was written.
        """
        metadata = replica_set["metadata"]
        found = await self._client.get(REPLICASETS, metadata["name"], namespace=metadata["namespace"])
        ours = controller_uid(found) == deployment["metadata"]["uid"]
        if ours and replicasets.same_template(found["spec"]["template"], deployment["spec"]["template"]):
            return
        known = deployment.get("status") or {}
        counted = {**known, "collisionCount": known.get("collisionCount", 0) + 1}
        await self._client.update(DEPLOYMENTS, {**deployment, "status": counted}, subresource="status")

    async def _tell_failure(self, deployment: Object, replica_set: Object, error: ApiError) -> None:
        message = f'Failed to create new replica set "{replica_set["metadata"]["name"]}": {error}'
        self._recorder.event(deployment, "Warning", "ReplicaSetCreateError", message)
        if not status.has_deadline(deployment):
            return
        failed = status.condition("Progressing", "False", "ReplicaSetCreateError", message, self._clock.now())
        known = deployment.get("status") or {}
        listed = conditions.with_condition(known.get("conditions") or [], failed)
        if listed != known.get("conditions"):
            await self._client.update(
                DEPLOYMENTS, {**deployment, "status": {**known, "conditions": listed}}, subresource="status"
            )

    def _replica_set_changed(self, old: Object | None, new: Object | None) -> None:
        for one in (old, new):
            self._wake_controller(one)
        if new is not None and not controller_uid(new):
            present = labels(new)
            for deployment in self._deployments.by_index(BY_NAMESPACE, new["metadata"]["namespace"]):
                if from_object(deployment["spec"]["selector"]).matches(present):
                    self._queue.add(key_of(deployment))

    def _wake_controller(self, replica_set: Object | None) -> Object | None:
        reference = controller_of(replica_set) if replica_set is not None else None
        if replica_set is None or reference is None:
            return None
        namespace = replica_set["metadata"]["namespace"]
        deployment = self._deployments.get(reference["name"], namespace)
        if deployment is None or deployment["metadata"]["uid"] != reference["uid"]:
            return None
        self._queue.add((namespace, reference["name"]))
        return deployment

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """A pod that is gone at last lets a Recreate rollout go on."""
        reference = controller_of(old) if old is not None and new is None else None
        if old is None or reference is None:
            return
        replica_set = self._replica_sets.get(reference["name"], old["metadata"]["namespace"])
        holder = controller_of(replica_set) if replica_set is not None else None
        if replica_set is None or holder is None or replica_set["metadata"]["uid"] != reference["uid"]:
            return
        deployment = self._deployments.get(holder["name"], old["metadata"]["namespace"])
        if deployment is not None and not limits.is_rolling(deployment):
            self._wake_controller(replica_set)
