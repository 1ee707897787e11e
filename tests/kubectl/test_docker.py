"""A cluster whose containers are Docker's, as kubectl and docker show it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubectl.conftest import KUBECTLS, Kubectl, cluster_in
from tests.kubelet.dockerd import IMAGE, Dockerd, dockerd_here, missing

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(120),
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
    pytest.mark.skipif(not KUBECTLS, reason="no kubectl on this machine"),
]

POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {IMAGE}
    env: [{{name: GREETING, value: hello}}]
    command: [sh, -c, "echo started; while sleep 0.5; do :; done"]
  - name: crashing
    image: {IMAGE}
    command: [sh, -c, "exit 3"]
"""


@pytest.fixture
def engine() -> Iterator[Dockerd]:
    """An engine of our own."""
    with dockerd_here() as made:
        yield made


def containers(engine: Dockerd) -> str:
    """What `docker ps` shows."""
    command = ["docker", f"--host={engine.config.docker_endpoint}", "ps", "-a", "--format", "{{.Names}} {{.Status}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_pod_s_life_in_docker(engine: Dockerd, tmp_path: Path):
    flags = ("--nodes=1", "--container-runtime=docker", f"--docker-endpoint={engine.config.docker_endpoint}")
    with cluster_in(tmp_path / "cluster", *flags) as kubeconfig:
        kubectl = Kubectl(KUBECTLS[0], kubeconfig)
        if kubectl.minor < 31:
            pytest.skip("exec needs a kubectl that speaks WebSocket, 1.31 or newer")
        assert "docker://" in kubectl("get", "nodes", "-o", "wide")
        kubectl("create", "-f", "-", stdin=POD)
        kubectl("wait", "--for=jsonpath={.status.containerStatuses[?(@.name=='crashing')].restartCount}=1", "pod/p")
        assert kubectl("logs", "p", "-c", "c") == "started\n"
        assert kubectl("exec", "p", "-c", "c", "--", "sh", "-c", "echo $GREETING") == "hello\n"
        assert kubectl.run("exec", "p", "-c", "c", "--", "sh", "-c", "exit 7").returncode == 7
        assert kubectl("exec", "-i", "p", "-c", "c", "--", "cat", stdin="in") == "in"
        assert "k8s_c_p_default_" in containers(engine)
        assert "Exited (3)" in containers(engine)
        kubectl("delete", "pod", "p")
        assert containers(engine) == ""
        kubectl("create", "-f", "-", stdin=POD)
        kubectl("wait", "--for=jsonpath={.status.containerStatuses[?(@.name=='crashing')].restartCount}=1", "pod/p")
    assert containers(engine) == ""
