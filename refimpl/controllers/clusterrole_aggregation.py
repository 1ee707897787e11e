"""ClusterRoles with an aggregation rule hold the rules of all ClusterRoles that they select.

Source: kube-controller-manager 1.36 `clusterroleaggregation_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from refimpl.api import meta, selectors
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import CLUSTERROLES
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads.workers import run_workers


def gathered(role: Object, roles: Iterable[Object]) -> list[Object]:
    """The rules of the roles that a role selects, by name of the role, each rule once.

    Args:
        role: with an aggregation rule.
        roles: all there are; the role itself is passed over.
    """
    rules: list[Object] = []
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        wanted = selectors.from_object(selector)
        for other in sorted(roles, key=meta.name):
            if meta.name(other) != meta.name(role) and wanted.matches(meta.labels(other)):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


class ClusterRoleAggregationController:
    """Keeps the rules of aggregating ClusterRoles.

    Args:
        context: of the manager.
    """

    name = "clusterrole-aggregation-controller"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._queue: WorkQueue[str] = WorkQueue(context.clock)
        self._roles = context.informers.informer(CLUSTERROLES)
        self._roles.add_handler(self._changed)

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, 1)

    async def sync(self, name: str) -> None:
        """Writes the rules of one role if they are not what it gathers.

        Raises:
            ApiError, Unreachable: refused; to be tried again.
        """
        role = self._roles.get(name)
        if role is None or not role.get("aggregationRule"):
            return
        rules = gathered(role, self._roles.list())
        if rules == (role.get("rules") or []):
            return
        try:
            await self._client.patch(CLUSTERROLES, name, {"rules": rules})
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    def _changed(self, _old: Object | None, _new: Object | None) -> None:
        for role in self._roles.list():
            if role.get("aggregationRule"):
                self._queue.add(meta.name(role))
