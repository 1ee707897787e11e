"""The node of the article the project began with: a kubelet 1.5, as `kubectl get` and `kubectl describe` show it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.kubectl.conftest import KUBECTLS, Kubectl

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

NODE = "127.0.0.1"
GPU = "alpha.kubernetes.io/nvidia-gpu"
PODS = "".join(
    f"---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n"
    f"spec: {{nodeName: {NODE}, terminationGracePeriodSeconds: 1, containers: [{{name: c, image: busybox}}]}}\n"
    for name in ("mysql-pgb63", "myweb-c994c", "myweb-jgcqn")
)


@pytest.fixture(scope="module")
def kubelet(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A kubelet of the seed's time, on a machine that it calls by its address."""
    root = tmp_path_factory.mktemp("seed")
    words = [
        f"--kubeconfig={cluster}",
        "--era=1.5",
        f"--hostname-override={NODE}",
        "--container-runtime=simulated",
        f"--root-dir={root}",
        "--port=0",
        "--with-parent",
    ]
    with (root / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "refimpl", "kubelet", *words], stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    yield
    process.terminate()
    process.communicate(timeout=30)
    # Other sessions use the same cluster: what is bound to the node that is gone would never run.
    Kubectl(KUBECTLS[0], cluster)("delete", "node", NODE)


def blocks(described: str) -> dict[str, list[str]]:
    """The described blocks by title: what stands behind the title, then the lines below it."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in described.splitlines():
        if line and not line[0].isspace():
            title, _, rest = line.partition(":")
            found[title] = [rest.strip()] if rest.strip() else []
        else:
            found[title].append(" ".join(line.split()))
    return found


@pytest.mark.usefixtures("kubelet")
def test_the_node_of_the_article_is_described_block_by_block(kubectl: Kubectl):
    watched = kubectl.start("get", "nodes", "-w", "--no-headers")
    seen = next(line for line in watched.stdout or () if line.split()[:2] == [NODE, "Ready"])
    watched.terminate()
    watched.communicate()
    assert seen.split()[-1] == "v1.5.2"
    while "taints" in yaml.safe_load(kubectl("get", "node", NODE, "-o", "yaml"))["spec"]:
        pass
    kubectl("create", "-f", "-", stdin=PODS)
    kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s")

    found = blocks(kubectl("describe", "node", NODE))
    assert found["Name"] == [NODE]
    assert "kubernetes.io/hostname=127.0.0.1" in found["Labels"]
    assert found["Taints"] == ["<none>"]
    conditions = {line.split()[0]: line for line in found["Conditions"]}
    for kind, status, reason in (
        ("OutOfDisk", "False", "KubeletHasSufficientDisk kubelet has sufficient disk space available"),
        ("MemoryPressure", "False", "KubeletHasSufficientMemory kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure kubelet has no disk pressure"),
        ("Ready", "True", "KubeletReady kubelet is posting ready status"),
    ):
        assert conditions[kind].split()[1] == status
        assert conditions[kind].endswith(reason)
    assert found["Addresses"] == [f"LegacyHostIP: {NODE}", f"InternalIP: {NODE}", f"Hostname: {NODE}"]
    for amounts in ("Capacity", "Allocatable"):
        assert {line.partition(":")[0] for line in found[amounts]} == {GPU, "cpu", "memory", "pods"}
        assert f"{GPU}: 0" in found[amounts]
    system = {line.partition(":")[0] for line in found["System Info"]}
    assert {"Machine ID", "System UUID", "Boot ID", "Kernel Version", "OS Image", "Operating System"} <= system
    assert {"Kubelet Version: v1.5.2", "Kube-Proxy Version: v1.5.2"} <= set(found["System Info"])
    own = kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}")
    pods = [line.split()[1:4] for line in found["Non-terminated Pods"] if line.split()[0] == own]
    assert pods == [[name, "0", "(0%)"] for name in ("mysql-pgb63", "myweb-c994c", "myweb-jgcqn")]
    assert [line.split()[:3] for line in found["Allocated resources"] if line.startswith("cpu")] == [
        ["cpu", "0", "(0%)"]
    ]
    assert any("Starting kubelet." in line for line in found["Events"])

    stored = yaml.safe_load(kubectl("get", "node", NODE, "-o", "yaml"))
    assert stored["spec"]["externalID"] == NODE
    kubectl("delete", "pod", "--all")
