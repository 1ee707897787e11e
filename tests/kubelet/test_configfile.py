"""A KubeletConfiguration becomes the same settings as flags would."""

import pytest

from refimpl.commands import kubelet as command
from refimpl.kubelet import configfile
from refimpl.kubelet.config import ConfigError, KubeletConfig


def test_fields_are_read_in_their_types():
    document = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "maxPods": 7,
        "nodeLeaseDurationSeconds": 8,
        "kubeReserved": {"cpu": "100m"},
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%"},
        "evictionPressureTransitionPeriod": "1m30s",
        "staticPodPath": "/manifests",
        "registerWithTaints": [{"key": "a", "effect": "NoSchedule"}],
        "crashLoopBackOff": {"maxContainerRestartPeriod": "20s"},
        "authentication": {"anonymous": {"enabled": True}},
    }
    config = configfile.configured(KubeletConfig(), document)
    assert (config.max_pods, config.node_lease_duration_seconds, config.kube_reserved) == (7, 8, {"cpu": "100m"})
    assert config.eviction_hard == ("memory.available<100Mi", "nodefs.available<10%")
    assert (config.eviction_pressure_transition_period, config.max_container_restart_period) == (90.0, 20.0)
    assert (config.pod_manifest_path, config.register_with_taints) == ("/manifests", ("a=:NoSchedule",))


@pytest.mark.parametrize(
    ("document", "report"),
    [
        ({}, 300.0),
        ({"nodeStatusUpdateFrequency": "4s"}, 4.0),
        ({"nodeStatusUpdateFrequency": "4s", "nodeStatusReportFrequency": "1m"}, 60.0),
    ],
)
def test_a_frequency_of_looking_is_one_of_reporting_unless_that_is_set(document, report):
    assert configfile.configured(KubeletConfig(), document).node_status_report_frequency == report


def test_a_flag_sets_the_frequency_of_looking_alone():
    assert KubeletConfig(node_status_update_frequency=4.0).node_status_report_frequency == 300.0


def test_flags_win_over_the_file(tmp_path):
    file = tmp_path / "kubelet.yaml"
    file.write_text("kind: KubeletConfiguration\nmaxPods: 7\npodsPerCore: 2\n")
    options = command.parser().parse_args(["--kubeconfig", "x", "--config", str(file), "--max-pods", "9"])
    config = command.configuration(options)
    assert (config.max_pods, config.pods_per_core) == (9, 2)


@pytest.mark.parametrize(
    "text", ["kind: Pod", "- a", "{", "kind: KubeletConfiguration\nnodeStatusUpdateFrequency: soon"]
)
def test_what_is_no_configuration_is_refused(tmp_path, text):
    file = tmp_path / "kubelet.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="--config"):
        configfile.read(file)
