"""Real kubectl against a real cluster of ours: processes on loopback, started once for all sessions."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

KUBECTLS = [path for path in os.environ.get("KUBECTLS", "kubectl").split(":") if shutil.which(path)]
"""The kubectl binaries to try: `$KUBECTLS`, separated by colons, or the one on the PATH."""

_WITHIN = 60


@attrs.frozen
class Kubectl:
    """One kubectl binary with a kubeconfig and a cache directory of its own."""

    binary: str
    kubeconfig: Path

    def __call__(self, *words: str, stdin: str = "", status: int = 0) -> str:
        """Runs it; returns its stdout, or its stderr when it was expected to fail."""
        done = self.run(*words, stdin=stdin)
        said = f"kubectl {' '.join(words)}\n{done.stdout}{done.stderr}"
        assert done.returncode == status, said
        return done.stdout if status == 0 else done.stderr

    @property
    def minor(self) -> int:
        """The 20 of kubectl 1.20."""
        client = json.loads(self("version", "--client", "-o", "json"))["clientVersion"]
        return int(client["minor"].rstrip("+"))

    @property
    def environment(self) -> dict[str, str]:
        """The variables it runs with."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.kubeconfig.parent), "TZ": "UTC"}

    def command(self, *words: str) -> list[str]:
        """The whole command line."""
        return [self.binary, f"--kubeconfig={self.kubeconfig}", *words]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts it, for commands that do not end by themselves."""
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, text=True, env=self.environment)

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs it, however it ends."""
        return subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
            env=self.environment,
        )


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A master and two nodes; the path of the kubeconfig."""
    with cluster_in(tmp_path_factory.mktemp("cluster"), "--nodes=2") as kubeconfig:
        yield kubeconfig


@contextlib.contextmanager
def cluster_in(folder: Path, *flags: str) -> Iterator[Path]:
    """A cluster as `up` makes it; the path of the kubeconfig."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["up", *flags, f"--data-dir={folder}", "--listen=127.0.0.1:0", "--with-parent"]
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "refimpl", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Ctrl-C"):
            break
    else:
        pytest.fail((folder / "up.log").read_text())
    try:
        yield folder / "kubeconfig"
    finally:
        process.terminate()
        process.communicate(timeout=_WITHIN)


@pytest.fixture(params=KUBECTLS or [pytest.param("", marks=pytest.mark.skip(reason="no kubectl on this machine"))])
def kubectl(request: pytest.FixtureRequest, cluster: Path, tmp_path: Path) -> Kubectl:
    """Each kubectl in turn; in its own namespace where objects have one."""
    own = tmp_path / "kubeconfig"
    shutil.copy(cluster, own)
    kubectl = Kubectl(request.param, own)
    namespace = f"s-{abs(hash(str(tmp_path))) % 10**8}"
    kubectl("create", "-f", "-", stdin=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}")
    kubectl("config", "set-context", "--current", f"--namespace={namespace}")
    return kubectl
