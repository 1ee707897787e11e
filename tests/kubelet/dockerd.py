"""A Docker Engine of our own for tests: no networks, a socket in a short folder of its own, one small image."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs

from refimpl.kubelet.runtime.docker import DockerConfig

IMAGE = "small:1"
_PROGRAMS = ("sh", "sleep", "cat", "env", "stty", "head", "tr")
_TRIES, _APART = 300, 0.1


def missing() -> str:
    """Why no engine can be started here; empty when one can."""
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        return "no dockerd, or no docker, on this machine"
    if os.geteuid() != 0:
        return "dockerd needs root"
    return ""


@attrs.define(eq=False)
class Dockerd:
    """One engine, which can be stopped and started again on the same data."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> DockerConfig:
        return DockerConfig(docker_endpoint=f"unix://{self.folder / 'sock'}")

    def start(self) -> None:
        """Returns when it answers."""
        words = [
            "dockerd",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            f"--data-root={self.folder / 'data'}",
            f"--exec-root={self.folder / 'exec'}",
            f"--pidfile={self.folder / 'pid'}",
            f"--host=unix://{self.folder / 'sock'}",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        for _ in range(_TRIES):
            if self.docker("version", check=False):
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=_APART)
                break
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        """Returns when it has ended."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=60)

    def docker(self, *words: str, stdin: bytes = b"", check: bool = True) -> bool:
        """Runs the docker command against it; whether it succeeded."""
        command = ["docker", f"--host=unix://{self.folder / 'sock'}", *words]
        return subprocess.run(command, input=stdin, capture_output=True, check=check).returncode == 0


@contextlib.contextmanager
def dockerd_here() -> Iterator[Dockerd]:
    """An engine with the image `small:1`: a shell and a few programs of this machine.

    Its folder is not pytest's: the path of a socket may have 107 characters, and folders of a test have long names.
    """
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))
    engine = Dockerd(folder)
    try:
        engine.start()
        engine.docker("import", "-", IMAGE, stdin=file_system())
        yield engine
    finally:
        engine.stop()
        _unmount_below(folder)
        shutil.rmtree(folder)


def _unmount_below(folder: Path) -> None:
    """What an engine leaves mounted, its own data folder among it, would keep the folder from being removed."""
    places = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed([each for each in places if folder in each.parents]):
        subprocess.run(["umount", place], check=True)


def file_system() -> bytes:
    """A tar with some programs and the libraries that they are linked with."""
    files = {}
    for program in _PROGRAMS:
        path = os.path.realpath(shutil.which(program) or "/bin/sh")
        files[f"bin/{program}"] = path
        linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        files |= {found.lstrip("/"): found for found in re.findall(r"(/\S+)", linked)}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", dereference=True) as tar:
        tar.addfile(_folder("tmp"))
        for inside, outside in files.items():
            tar.add(os.path.realpath(outside), inside)
    return content.getvalue()


def _folder(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
    return entry
