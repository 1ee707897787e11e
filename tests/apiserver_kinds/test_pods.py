"""Pods: what is filled in, what is refused, what may change, when they go."""

from __future__ import annotations

import pytest

from refimpl.api.errors import Object
from refimpl.api.resources import PODS
from refimpl.apiserver.kinds import strategy_for
from tests.apiserver_kinds.support import accepted, changed, container, pod, refused, update

STRATEGY = strategy_for(PODS)


def first(made: Object) -> Object:
    found: Object = made["spec"]["containers"][0]
    return found


def test_a_pod_of_one_line_is_complete() -> None:
    made = accepted(PODS, pod())
    spec = made["spec"]
    assert first(made) == {
        "name": "c",
        "image": "nginx",
        "imagePullPolicy": "Always",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "resources": {},
    }
    assert (spec["restartPolicy"], spec["dnsPolicy"], spec["schedulerName"]) == (
        "Always",
        "ClusterFirst",
        "default-scheduler",
    )
    assert (spec["terminationGracePeriodSeconds"], spec["securityContext"], spec["enableServiceLinks"]) == (
        30,
        {},
        True,
    )
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.13", "IfNotPresent"),
        ("reg:5000/nginx", "Always"),
        ("reg:5000/nginx:2", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
        ("Not An Image", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert first(accepted(PODS, container(image=image)))["imagePullPolicy"] == policy


def test_a_limit_is_also_the_request() -> None:
    limits = {"cpu": "1", "memory": "1024Mi"}
    resources = first(accepted(PODS, container(resources={"limits": limits, "requests": {"cpu": "0.5"}})))["resources"]
    assert resources == {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}


def test_probes_get_their_rhythm() -> None:
    probe = first(accepted(PODS, container(livenessProbe={"httpGet": {"port": 80}})))["livenessProbe"]
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_a_pod_on_the_hosts_network_takes_the_hosts_ports() -> None:
    made = accepted(PODS, {"spec": {**container(ports=[{"containerPort": 80}])["spec"], "hostNetwork": True}})
    assert first(made)["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_volumes_get_modes_and_types() -> None:
    volumes = [
        {"name": "e"},
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "h", "hostPath": {"path": "/x"}},
        {"name": "d", "downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    empty, secret, host, downward = accepted(PODS, pod(volumes=volumes))["spec"]["volumes"]
    assert empty["emptyDir"] == {}
    assert secret["secret"]["defaultMode"] == 0o644
    assert host["hostPath"]["type"] == ""
    assert downward["downwardAPI"]["items"][0]["fieldRef"]["apiVersion"] == "v1"


def test_both_spellings_of_the_service_account_are_shown() -> None:
    spec = accepted(PODS, pod(serviceAccount="builder"))["spec"]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("builder", "builder")


def test_a_negative_grace_period_counts_as_one_second() -> None:
    assert accepted(PODS, pod(terminationGracePeriodSeconds=-5))["spec"]["terminationGracePeriodSeconds"] == 1


def test_the_status_of_a_new_pod_is_the_servers_own() -> None:
    running = {**pod(), "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    assert accepted(PODS, running)["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_a_gated_pod_says_why_it_waits() -> None:
    (condition,) = accepted(PODS, pod(schedulingGates=[{"name": "a.b/c"}]))["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "SchedulingGated")


@pytest.mark.parametrize(
    ("resources", "init", "quality"),
    [
        ({}, {}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, {}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, {}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, {"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"example.com/gpu": "1"}}, {}, "BestEffort"),
    ],
)
def test_quality_of_service_looks_at_all_containers(resources: Object, init: Object, quality: str) -> None:
    body = container(resources=resources)
    body["spec"]["initContainers"] = [{"name": "i", "image": "x", "resources": init}]
    assert accepted(PODS, body)["status"]["qosClass"] == quality


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (pod(containers=[]), "spec.containers: Required value"),
        (container(image=""), "spec.containers[0].image: Required value"),
        (
            container(image=" a"),
            'spec.containers[0].image: Invalid value: " a": must not have leading or trailing whitespace',
        ),
        (
            pod(restartPolicy="Sometimes"),
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        ),
        (
            container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            container(resources={"requests": {"example.com/gpu": "1"}}),
            "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
        ),
        (
            container(resources={"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "2"}}),
            'spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
        ),
        (
            container(volumeMounts=[{"name": "nope", "mountPath": "/x"}]),
            'spec.containers[0].volumeMounts[0].name: Not found: "nope"',
        ),
        (
            pod(tolerations=[{"key": "k", "effect": "Bad"}]),
            (
                'spec.tolerations[0].effect: Unsupported value: "Bad": supported values: '
                '"NoSchedule", "PreferNoSchedule", "NoExecute"'
            ),
        ),
        (
            pod(activeDeadlineSeconds=0),
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        (
            pod(dnsPolicy="None"),
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        ),
        (
            pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]),
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        ),
        (
            container(livenessProbe={"exec": {"command": ["x"]}, "tcpSocket": {"port": 1}}),
            "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ),
        (
            container(env=[{"name": "A", "valueFrom": {}}]),
            (
                'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
                "`resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            ),
        ),
        (
            pod(volumes=[{"name": "v", "hostPath": {"path": "/x"}, "emptyDir": {}}]),
            "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type",
        ),
        (
            container(ports=[{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 80}]),
            'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"',
        ),
    ],
)
def test_a_pod_is_refused_in_the_servers_words(body: Object, text: str) -> None:
    assert refused(PODS, body) == [text]


def test_an_init_container_has_no_probes_unless_it_is_a_sidecar() -> None:
    once = {"name": "i", "image": "x", "readinessProbe": {"exec": {"command": ["x"]}}}
    (text,) = refused(PODS, pod(initContainers=[once]))
    why = "may not be set for init containers without restartPolicy=Always"
    assert text == f"spec.initContainers[0].readinessProbe: Forbidden: {why}"
    assert not refused(PODS, pod(initContainers=[{**once, "restartPolicy": "Always"}]))


def test_an_image_may_change_but_not_a_node() -> None:
    old = accepted(PODS, pod(nodeName="n1"))
    image = [{**first(old), "image": "nginx:2"}]
    assert not update(PODS, old, changed(old, spec={"containers": image}))[1]
    _, (text,) = update(PODS, old, changed(old, spec={"nodeName": "n2"}))
    assert text.startswith("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`")
    assert '\n- "NodeName": "n1",\n+ "NodeName": "n2",\n' in text


def test_containers_are_neither_added_nor_removed() -> None:
    old = accepted(PODS, pod())
    more = [*old["spec"]["containers"], {**first(old), "name": "d"}]
    assert update(PODS, old, changed(old, spec={"containers": more}))[1] == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


def test_tolerations_are_only_added_or_retimed() -> None:
    old = accepted(PODS, pod(tolerations=[{"key": "k", "operator": "Exists", "effect": "NoExecute"}]))
    own, *rest = old["spec"]["tolerations"]
    fine = [[own, *rest, {"key": "new", "operator": "Exists"}], [{**own, "tolerationSeconds": 5}, *rest]]
    for tolerations in fine:
        assert not update(PODS, old, changed(old, spec={"tolerations": tolerations}))[1]
    for tolerations in (rest, [{**own, "effect": "NoSchedule"}, *rest]):
        assert update(PODS, old, changed(old, spec={"tolerations": tolerations}))[1] == [
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
        ]


def test_a_deadline_may_be_set_and_shortened() -> None:
    old = accepted(PODS, pod())
    new, wrong = update(PODS, old, changed(old, spec={"activeDeadlineSeconds": 100}))
    assert not wrong
    assert not update(PODS, new, changed(new, spec={"activeDeadlineSeconds": 50}))[1]
    for longer in (200, None):
        assert update(PODS, new, changed(new, spec={"activeDeadlineSeconds": longer}))[1]


def test_a_status_update_leaves_spec_owners_and_quality_alone() -> None:
    old = accepted(PODS, pod())
    owners = [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u"}]
    wanted = changed(old, spec={"nodeName": "n9"}, metadata={"ownerReferences": owners}, status={"qosClass": None})
    new, wrong = update(PODS, old, wanted, "status")
    assert not wrong
    assert new == old
    assert update(PODS, old, changed(old, status={"qosClass": "Burstable"}), "status")[1] == [
        'status.qosClass: Invalid value: "Burstable": field is immutable'
    ]


@pytest.mark.parametrize(
    ("policy", "code", "stays"),
    [("Never", 0, True), ("OnFailure", 0, True), ("OnFailure", 1, False), ("Always", 0, False)],
)
def test_a_container_that_ended_for_good_stays_ended(policy: str, code: int, stays: bool) -> None:
    old = accepted(PODS, pod(restartPolicy=policy))
    old["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {"exitCode": code}}}]
    _, wrong = update(
        PODS, old, changed(old, status={"containerStatuses": [{"name": "c", "state": {"running": {}}}]}), "status"
    )
    forbidden = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    assert wrong == ([forbidden] if stays else [])


def test_the_address_is_one_value_under_two_names() -> None:
    old = accepted(PODS, pod())
    new, _ = update(PODS, old, changed(old, status={"podIP": "10.0.0.1"}), "status")
    assert new["status"]["podIPs"] == [{"ip": "10.0.0.1"}]


@pytest.mark.parametrize(
    ("spec", "phase", "asked", "grace"),
    [
        ({"nodeName": "n"}, "Running", None, 30),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 60}, "Pending", None, 60),
        ({"nodeName": "n"}, "Running", 5, 5),
        ({"nodeName": "n"}, "Running", 0, 0),
        ({"nodeName": "n"}, "Running", -1, 1),
        ({}, "Pending", None, 0),
        ({}, "Pending", 20, 0),
        ({"nodeName": "n"}, "Succeeded", None, 0),
        ({"nodeName": "n"}, "Failed", 20, 0),
    ],
)
def test_only_a_pod_that_runs_needs_time_to_go(spec: Object, phase: str, asked: int | None, grace: int) -> None:
    made = accepted(PODS, pod(**spec))
    made["status"]["phase"] = phase
    assert STRATEGY.grace_period(made, asked) == grace


def test_selectable_fields() -> None:
    made = accepted(PODS, pod(nodeName="n1", hostNetwork=True))
    fields = {name: getter(made) for name, getter in STRATEGY.fields.items()}
    assert (fields["spec.nodeName"], fields["status.phase"], fields["spec.hostNetwork"]) == ("n1", "Pending", "true")
    assert fields["status.podIP"] == fields["status.nominatedNodeName"] == ""


def test_seconds_are_for_tolerating_eviction_only() -> None:
    (text,) = refused(PODS, pod(tolerations=[{"key": "k", "effect": "NoSchedule", "tolerationSeconds": 5}]))
    why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
    assert text == f'spec.tolerations[0].effect: Invalid value: "NoSchedule": {why}'


def test_ephemeral_containers_are_added_and_stay() -> None:
    old = accepted(PODS, pod())
    debug = {"name": "d", "image": "x"}
    new, wrong = update(
        PODS, old, changed(old, spec={"ephemeralContainers": [debug], "nodeName": "n"}), "ephemeralcontainers"
    )
    assert not wrong
    assert "nodeName" not in new["spec"]
    assert new["spec"]["ephemeralContainers"][0]["name"] == "d"
    assert update(PODS, new, changed(new, spec={"ephemeralContainers": None}), "ephemeralcontainers")[1]
