"""The decisions of the Deployment controller: sizes, bounds, progress."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.meta import condition
from refimpl.api.resources import DEPLOYMENTS, REPLICASETS
from refimpl.controllers.deployment import replicasets, scaling, status
from refimpl.controllers.deployment.limits import Limits, limits_of
from refimpl.controllers.deployment.reconcile import View, reconcile
from refimpl.controllers.workloads.actions import After, Create, Delete, Event, Update
from tests.controllers.objects import NOW, at, pod, reference, workload


def rolling(surge: Any = "25%", unavailable: Any = "25%") -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def deployment(image: str = "nginx", **spec: Any) -> Object:
    spec = {"strategy": rolling(), "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10} | spec
    made = workload("Deployment", **spec)
    made["spec"]["template"] = with_image(made["spec"]["template"], image)
    return made


def with_image(template: Object, image: str) -> Object:
    return {**template, "spec": {"containers": [{"name": "c", "image": image}]}}


@attrs.define
class World:
    """A Deployment and its ReplicaSets, whose pods appear at once and become available when told to."""

    deployment: Object
    members: dict[str, Object] = attrs.field(factory=dict)
    events: list[Event] = attrs.field(factory=list)
    deleted: list[str] = attrs.field(factory=list)
    waits: list[float] = attrs.field(factory=list)
    seconds: float = 0
    pods_left: list[Object] = attrs.field(factory=list)
    _versions: itertools.count = attrs.field(factory=itertools.count)

    def step(self) -> bool:
        """One decision, carried out; whether it asked for anything."""
        view = View(self.deployment, list(self.members.values()), lambda _: self.pods_left, at(self.seconds))
        actions = reconcile(view)
        for action in actions:
            match action:
                case Create(resource, body):
                    assert resource is REPLICASETS
                    name = body["metadata"]["name"]
                    stamp = f"2018-07-02T{next(self._versions):02}:00:00Z"
                    extra = {"uid": f"uid-{name}", "generation": 1, "creationTimestamp": stamp}
                    self.members[name] = {**body, "metadata": {**body["metadata"], **extra}, "status": {}}
                case Update(resource, body, "status"):
                    assert resource is DEPLOYMENTS
                    self.deployment = {**body, "spec": self.deployment["spec"]}
                case Update(_, body):
                    self.members[body["metadata"]["name"]] = body
                case Delete(_, obj):
                    self.deleted.append(obj["metadata"]["name"])
                    del self.members[obj["metadata"]["name"]]
                case Event():
                    self.events.append(action)
                case After(seconds):
                    self.waits.append(seconds)
        return any(not isinstance(action, After) for action in actions)

    def kubelets(self, available: int | None = None) -> None:
        """ReplicaSets report what they were asked for; at most so many pods more become available."""
        for name, member in self.members.items():
            wanted = member["spec"]["replicas"]
            had = min(wanted, (member["status"] or {}).get("availableReplicas", 0))
            given_now = wanted - had if available is None else min(available, wanted - had)
            counts = {"replicas": wanted, "readyReplicas": had + given_now, "availableReplicas": had + given_now}
            generation = member["metadata"]["generation"]
            self.members[name] = {**member, "status": {**counts, "observedGeneration": generation}}
            if available is not None:
                available -= given_now

    def settle(self, available: int | None = None) -> None:
        for _ in range(60):
            moved = self.step()
            before = self.members
            self.members = dict(before)
            self.kubelets(available)
            if not moved and self.members == before:
                return
        raise AssertionError("does not come to rest")

    def sizes(self) -> dict[str, int]:
        return {
            member["spec"]["template"]["spec"]["containers"][0]["image"]: member["spec"]["replicas"]
            for member in self.members.values()
        }

    def surely_available(self) -> int:
        """Available pods that remain when each ReplicaSet has its wanted size."""
        return sum(
            min(member["spec"]["replicas"], member["status"].get("availableReplicas", 0))
            for member in self.members.values()
        )

    def total(self) -> int:
        return sum(member["spec"]["replicas"] for member in self.members.values())

    def set(self, image: str | None = None, **spec: Any) -> None:
        template = self.deployment["spec"]["template"]
        changed = {**self.deployment["spec"], **spec}
        if image:
            changed["template"] = with_image(template, image)
        metadata = self.deployment["metadata"]
        self.deployment = {
            **self.deployment,
            "spec": changed,
            "metadata": {**metadata, "generation": metadata["generation"] + 1},
        }


@pytest.mark.parametrize(
    ("replicas", "strategy", "limits"),
    [
        (10, rolling("25%", "25%"), Limits(10, 3, 2)),
        (3, rolling("25%", "25%"), Limits(3, 1, 0)),
        (3, rolling(0, 0), Limits(3, 0, 1)),
        (0, rolling(1, 1), Limits(0, 1, 0)),
        (2, rolling(0, 5), Limits(2, 0, 2)),
        (4, {"type": "Recreate"}, Limits(4, 0, 0)),
    ],
)
def test_limits(replicas: int, strategy: Object, limits: Limits):
    assert limits_of(deployment(replicas=replicas, strategy=strategy)) == limits


def test_the_first_replicaset_gets_the_hash_the_owner_and_the_whole_size():
    owner = deployment(replicas=3)
    [create, event, report] = [a for a in reconcile(View(owner, [], lambda _: [], NOW)) if not isinstance(a, After)]
    new = create.body
    digest = new["metadata"]["labels"]["pod-template-hash"]
    assert new["metadata"]["name"] == f"web-{digest}"
    assert new["metadata"]["ownerReferences"] == [reference(owner)]
    assert new["spec"]["replicas"] == 3
    assert new["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert new["spec"]["template"]["metadata"]["labels"] == {"app": "web", "pod-template-hash": digest}
    assert new["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert event.message == f"Scaled up replica set web-{digest} from 0 to 3"
    assert report.body["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert condition(report.body, "Progressing")["reason"] == "NewReplicaSetCreated"
    assert condition(report.body, "Available")["status"] == "False"


def test_a_finished_rollout_says_so_and_rests():
    world = World(deployment(replicas=3))
    world.settle()
    assert world.deployment["status"] == {
        **world.deployment["status"],
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
    }
    assert "unavailableReplicas" not in world.deployment["status"]
    assert condition(world.deployment, "Available")["reason"] == "MinimumReplicasAvailable"
    assert condition(world.deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert not world.step()


def test_a_new_image_moves_all_pods_and_keeps_the_old_replicaset_as_history():
    world = World(deployment(replicas=3))
    world.settle()
    world.set("nginx:2")
    world.settle()
    assert world.sizes() == {"nginx": 0, "nginx:2": 3}
    revisions = [replicasets.annotation_number(member, replicasets.REVISION) for member in world.members.values()]
    assert sorted(revisions) == [1, 2]
    assert world.deployment["metadata"]["annotations"][replicasets.REVISION] == "2"


def test_going_back_makes_the_old_replicaset_the_newest_revision():
    world = World(deployment(replicas=2))
    world.settle()
    world.set("nginx:2")
    world.settle()
    world.set("nginx")
    world.settle()
    assert world.sizes() == {"nginx": 2, "nginx:2": 0}
    back = next(m for m in world.members.values() if m["spec"]["replicas"])
    assert back["metadata"]["annotations"][replicasets.REVISION] == "3"
    assert back["metadata"]["annotations"][replicasets.REVISION_HISTORY] == "1"


@given(
    st.integers(1, 12),
    st.one_of(st.integers(0, 4), st.sampled_from(["10%", "25%", "50%", "100%"])),
    st.one_of(st.integers(0, 4), st.sampled_from(["0%", "25%", "50%", "100%"])),
    st.lists(st.integers(0, 3), max_size=30),
)
def test_a_rolling_update_never_leaves_its_bounds_and_ends(replicas, surge, unavailable, pace):
    world = World(deployment(replicas=replicas, strategy=rolling(surge, unavailable)))
    world.settle()
    limits = limits_of(world.deployment)
    world.set("nginx:2")
    for available in pace:
        world.step()
        assert world.total() <= limits.maximum
        assert world.surely_available() >= limits.minimum_available
        world.kubelets(available)
    world.settle()
    assert world.sizes()["nginx:2"] == replicas
    assert world.total() == replicas
    assert status.is_complete(world.deployment, world.deployment["status"])


@given(st.integers(0, 10), st.integers(0, 10), st.integers(0, 3))
def test_scaling_in_the_middle_of_a_rollout_ends_at_the_new_number(before: int, after: int, steps: int):
    world = World(deployment(replicas=before))
    world.settle()
    world.set("nginx:2")
    for _ in range(steps):
        world.step()
        world.kubelets(1)
    world.set(replicas=after)
    world.settle()
    assert world.sizes().get("nginx:2", 0) == after
    assert world.total() == after


def test_recreate_waits_until_no_old_pod_is_left():
    world = World(deployment(replicas=2, strategy={"type": "Recreate"}))
    world.settle()
    world.set("nginx:2")
    world.pods_left = [pod(deleting=True)]
    world.step()
    world.kubelets()
    world.step()
    assert world.sizes() == {"nginx": 0}
    world.pods_left = [pod(phase="Succeeded")]
    world.settle()
    assert world.sizes() == {"nginx": 0, "nginx:2": 2}


def test_a_paused_deployment_scales_and_does_not_roll_out():
    world = World(deployment(replicas=2))
    world.settle()
    world.set("nginx:2", paused=True, replicas=4)
    world.settle()
    assert world.sizes() == {"nginx": 4}
    assert condition(world.deployment, "Progressing")["reason"] == "DeploymentPaused"
    world.set(paused=False)
    world.settle()
    assert world.sizes() == {"nginx": 0, "nginx:2": 4}
    assert condition(world.deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_a_rollout_without_progress_times_out_and_asks_to_be_looked_at_in_time():
    world = World(deployment(replicas=2, progressDeadlineSeconds=60))
    world.settle()
    world.set("broken")
    for _ in range(4):
        world.step()
        world.kubelets(0)
    assert condition(world.deployment, "Progressing")["reason"] == "ReplicaSetUpdated"
    assert world.waits[-1] == 61
    world.seconds = 61
    world.step()
    timed_out = condition(world.deployment, "Progressing")
    assert (timed_out["status"], timed_out["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_history_beyond_its_limit_is_deleted_oldest_first():
    world = World(deployment(replicas=1, revisionHistoryLimit=1))
    world.settle()
    for image in ("b", "c", "d"):
        world.set(image)
        world.settle()
    assert world.sizes() == {"c": 0, "d": 1}
    assert len(world.deleted) == 2


def test_annotations_are_inherited_but_not_those_of_kubectl_apply():
    owner = deployment()
    owner["metadata"]["annotations"] = {"note": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    [create, *_] = reconcile(View(owner, [], lambda _: [], NOW))
    assert create.body["metadata"]["annotations"]["note"] == "x"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in create.body["metadata"]["annotations"]


def test_proportional_scaling_keeps_the_ratio_of_old_and_new():
    old, new = sized("a", 8, 10), sized("b", 2, 10)
    sizes = scaling.proportional(Limits(20, 0, 5), replicasets.Family(new, (old,)), rolling=True, pods=10)
    assert sizes == {"a": 16, "b": 4}


def sized(name: str, replicas: int, was: int) -> Object:
    annotations = {replicasets.MAX_REPLICAS: str(was)}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"replicas": replicas}, "status": {}}
