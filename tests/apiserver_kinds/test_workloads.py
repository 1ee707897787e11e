"""Kinds with a pod template: defaults, matching selectors, what may change."""

from __future__ import annotations

import pytest

from refimpl.api.errors import Object
from refimpl.api.resources import (
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    PODTEMPLATES,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
    Resource,
)
from refimpl.apiserver.kinds import strategy_for
from refimpl.clock import Clock
from tests.apiserver_kinds.support import accepted, changed, pod, refused, template, update

SELECTING = (DEPLOYMENTS, REPLICASETS, DAEMONSETS, STATEFULSETS)


def workload(**spec: object) -> Object:
    return {"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template(app="web"), **spec}}


def run_once(**spec: object) -> Object:
    return {"spec": {"template": {**template(app="web"), **pod(restartPolicy="Never")}, **spec}}


def test_a_replication_controller_takes_selector_and_labels_from_its_template() -> None:
    made = accepted(REPLICATIONCONTROLLERS, {"spec": {"template": template(app="web")}})
    assert made["spec"]["selector"] == made["metadata"]["labels"] == {"app": "web"}
    assert made["spec"]["replicas"] == 1
    assert made["status"] == {"replicas": 0}


def test_zero_replicas_are_kept() -> None:
    assert (
        accepted(REPLICATIONCONTROLLERS, {"spec": {"replicas": 0, "template": template(a="b")}})["spec"]["replicas"]
        == 0
    )


def test_what_a_replication_controller_cannot_be() -> None:
    assert refused(REPLICATIONCONTROLLERS, {"spec": {}}) == [
        "spec.selector: Required value",
        "spec.template: Required value",
    ]
    other = {"spec": {"selector": {"app": "y"}, "template": template(app="x")}}
    mismatch = "`selector` does not match template `labels`"
    assert refused(REPLICATIONCONTROLLERS, other) == [
        f'spec.template.metadata.labels: Invalid value: {{"app":"x"}}: {mismatch}'
    ]


def test_the_selector_of_a_replication_controller_may_change() -> None:
    old = accepted(REPLICATIONCONTROLLERS, {"spec": {"template": template(app="web")}})
    wanted = changed(old, spec={"selector": {"app": "y"}, "template": template(app="y")})
    assert not update(REPLICATIONCONTROLLERS, old, wanted)[1]


@pytest.mark.parametrize("resource", SELECTING)
def test_any_other_selector_may_not(resource: Resource) -> None:
    old = accepted(resource, workload())
    wanted = changed(old, spec={"selector": {"matchLabels": {"app": "y"}}, "template": template(app="y")})
    _, wrong = update(resource, old, wanted)
    assert [text.split(": ")[0] for text in wrong] in (["spec.selector"], ["spec"])


@pytest.mark.parametrize("resource", SELECTING)
def test_a_template_is_completed_but_is_no_pod(resource: Resource) -> None:
    spec = accepted(resource, workload())["spec"]["template"]["spec"]
    assert (spec["restartPolicy"], spec["securityContext"]) == ("Always", {})
    assert not {"enableServiceLinks", "priority", "tolerations"} & spec.keys()


@pytest.mark.parametrize("resource", SELECTING)
@pytest.mark.parametrize(
    "spec",
    [
        {"selector": {}},
        {"selector": {"matchLabels": {"app": "other"}}},
        {"selector": {"matchExpressions": [{"key": "app", "operator": "Foo"}]}},
        {"template": {**template(app="web"), **pod(restartPolicy="Never")}},
        {"template": {**template(app="web"), **pod(containers=[])}},
        {"minReadySeconds": -1},
    ],
)
def test_what_cannot_work_is_refused(resource: Resource, spec: Object) -> None:
    assert refused(resource, workload(**spec))


def test_a_deployment_rolls_by_quarters() -> None:
    spec = accepted(DEPLOYMENTS, workload())["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert accepted(DEPLOYMENTS, workload(strategy={"type": "Recreate"}))["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    "strategy",
    [
        {"type": "Foo"},
        {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}},
        {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}},
        {"rollingUpdate": {"maxUnavailable": "120%"}},
        {"rollingUpdate": {"maxSurge": "five"}},
    ],
)
def test_a_rollout_must_be_able_to_move(strategy: Object) -> None:
    assert refused(DEPLOYMENTS, workload(strategy=strategy))


def test_annotations_of_a_deployment_count_as_a_new_generation() -> None:
    strategy, made = strategy_for(DEPLOYMENTS), accepted(DEPLOYMENTS, workload())
    assert strategy.counted(made) != strategy.counted(changed(made, metadata={"annotations": {"a": "b"}}))
    assert strategy.counted(made) == strategy.counted(changed(made, metadata={"labels": {"a": "b"}}))


def test_a_daemon_set_counts_changes_of_its_template() -> None:
    key = "deprecated.daemonset.template.generation"
    old = accepted(DAEMONSETS, workload())
    assert old["metadata"]["annotations"] == {key: "1"}
    same, _ = update(DAEMONSETS, old, changed(old, metadata={"annotations": None}))
    assert same["metadata"]["annotations"] == {key: "1"}
    new, _ = update(DAEMONSETS, old, changed(old, spec={"template": {**template(app="web"), **pod(nodeName="n")}}))
    assert new["metadata"]["annotations"] == {key: "2"}


def test_a_daemon_set_replaces_one_pod_at_a_time_and_surges_never() -> None:
    made = accepted(DAEMONSETS, workload())
    assert made["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    assert made["status"] == dict.fromkeys(
        ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"), 0
    )
    for rolling in ({"maxUnavailable": 0}, {"maxUnavailable": 1, "maxSurge": 1}):
        assert refused(DAEMONSETS, workload(updateStrategy={"rollingUpdate": rolling}))


def test_a_stateful_set_changes_little() -> None:
    old = accepted(STATEFULSETS, workload(serviceName="s"))
    assert not update(STATEFULSETS, old, changed(old, spec={"replicas": 3}))[1]
    _, (text,) = update(STATEFULSETS, old, changed(old, spec={"serviceName": "t"}))
    assert text.startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas'")


def test_a_job_selects_its_pods_by_its_uid() -> None:
    made = accepted(JOBS, run_once())
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "x"
    assert labels["app"] == "web"
    assert made["metadata"]["labels"] == labels


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({}, (1, 1)),
        ({"parallelism": 2}, (None, 2)),
        ({"completions": 3}, (3, 1)),
        ({"completions": 3, "parallelism": 2}, (3, 2)),
    ],
)
def test_completions_and_parallelism_depend_on_each_other(spec: Object, counts: tuple[int | None, int]) -> None:
    made = accepted(JOBS, run_once(**spec))["spec"]
    assert (made.get("completions"), made["parallelism"]) == counts


def test_the_pods_of_a_job_end() -> None:
    assert refused(JOBS, {"spec": {"template": template(app="web")}}) == [
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    ]


def test_a_job_keeps_its_template_and_completions() -> None:
    old = accepted(JOBS, run_once())
    assert not update(JOBS, old, changed(old, spec={"parallelism": 3}))[1]
    for spec in ({"completions": 5}, {"template": {**old["spec"]["template"], "metadata": {}}}):
        assert update(JOBS, old, changed(old, spec=spec))[1]


def test_deleting_by_default_orphans_what_old_kinds_own() -> None:
    orphaning = {
        row.plural
        for row in (*SELECTING, REPLICATIONCONTROLLERS, JOBS, CRONJOBS)
        if strategy_for(row).default_propagation == "Orphan"
    }
    assert orphaning == {"replicationcontrollers", "jobs"}


def test_a_cron_job_needs_a_schedule_of_five_fields() -> None:
    job = {"jobTemplate": {"spec": {"template": {**template(app="web"), **pod(restartPolicy="Never")}}}}
    made = accepted(CRONJOBS, {"spec": {"schedule": "*/5 * * * *", **job}})["spec"]
    assert (made["concurrencyPolicy"], made["suspend"]) == ("Allow", False)
    assert (made["successfulJobsHistoryLimit"], made["failedJobsHistoryLimit"]) == (3, 1)
    assert not refused(CRONJOBS, {"spec": {"schedule": "@hourly", **job}})
    assert refused(CRONJOBS, {"spec": {"schedule": "x", **job}}) == [
        'spec.schedule: Invalid value: "x": expected exactly 5 fields, found 1: [x]'
    ]


def test_a_pod_template_counts_itself() -> None:
    strategy = strategy_for(PODTEMPLATES)
    made = accepted(PODTEMPLATES, {"template": template(a="b")})
    assert strategy.counted(made) == made["template"]


@pytest.mark.parametrize("resource", [REPLICATIONCONTROLLERS, REPLICASETS])
def test_counters_of_a_status_fit_together(resource: Resource) -> None:
    old = accepted(resource, workload() if resource is REPLICASETS else {"spec": {"template": template(app="web")}})
    assert not update(resource, old, changed(old, status={"replicas": 3, "readyReplicas": 2}), "status")[1]
    assert update(resource, old, changed(old, status={"replicas": 1, "readyReplicas": 2}), "status")[1] == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]


def test_rows_of_workloads() -> None:
    made = accepted(DEPLOYMENTS, workload(replicas=3))
    made["status"] = {"readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2}
    cells = {
        column.name: column.cell(made, Clock.virtual())
        for column in strategy_for(DEPLOYMENTS).columns or ()
        if column.name != "Age"
    }
    assert cells == {
        "Name": "x",
        "Ready": "2/3",
        "Up-to-date": 1,
        "Available": 2,
        "Containers": "c",
        "Images": "nginx",
        "Selector": "app=web",
    }
