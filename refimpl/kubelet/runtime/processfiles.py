"""The files of the process runtime: what is on disk is all it knows after a restart.

ROOT/pods/UID/pod.json                      the sandbox
ROOT/pods/UID/NAME/ATTEMPT/container.json   identity of a run
                           spec.json        what its shim starts
                           shim.json        pids, while and after it runs
                           exit.json        how it ended
                           log              its output
                           lock             held by the shim as long as it lives
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from refimpl.kubelet.runtime.base import Container, RuntimeUnavailable, Sandbox

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class RunFiles:
    """The directory of one run.

    Attributes:
        directory: where its files are.
    """

    directory: Path

    @property
    def log(self) -> Path:
        """Its output."""
        return self.directory / "log"

    def create(self, container: Container, spec: dict[str, Any]) -> None:
        """Makes the directory, with everything that the shim and a later kubelet need."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        facts = {
            "id": container.id,
            "pod_uid": container.pod_uid,
            "name": container.name,
            "attempt": container.attempt,
            "image": container.image,
            "created_at": _nanoseconds(container.started_at),
        }
        # A reader may come before the shim has opened its log.
        self.log.touch()
        write_json(self.directory / "spec.json", spec)
        write_json(self.directory / "container.json", facts)

    def lock(self) -> int:
        """Opens and locks the lock file; the descriptor is for the shim, whose life the lock then tells."""
        descriptor = os.open(self.directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def shim_lives(self) -> bool:
        """Whether a shim holds the lock."""
        try:
            descriptor = os.open(self.directory / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def spec(self) -> Any:
        """What the shim started: `argv`, `env`, `cwd`."""
        return read_json(self.directory / "spec.json")

    def shim(self) -> dict[str, int] | None:
        """Pids of the shim and of its process; None while it has not started."""
        found: dict[str, int] | None = read_json(self.directory / "shim.json")
        return found

    def write_exit(self, exit_code: int, message: str, now: datetime) -> None:
        """Notes an end that no shim could note."""
        ended = {"exit_code": exit_code, "finished_at": _nanoseconds(now), "message": message}
        write_json(self.directory / "exit.json", ended)

    def read(self) -> Container | None:
        """The run as the files tell it; None when they tell nothing complete."""
        facts = read_json(self.directory / "container.json")
        if facts is None:
            return None
        shim, ended = self.shim(), read_json(self.directory / "exit.json")
        container = Container(
            id=facts["id"],
            pod_uid=facts["pod_uid"],
            name=facts["name"],
            attempt=facts["attempt"],
            image=facts["image"],
            state="running" if ended is None else "exited",
            started_at=_moment(shim["started_at"] if shim else facts["created_at"]),
        )
        if ended is None:
            return container
        failed = shim is None and ended["exit_code"] == 128
        return attrs.evolve(
            container,
            finished_at=_moment(ended["finished_at"]),
            exit_code=ended["exit_code"],
            message=ended["message"],
            reason="StartError" if failed else "",
        )


@attrs.frozen
class PodFiles:
    """The directory of one pod.

    Attributes:
        directory: where its files are.
    """

    directory: Path

    def create(self, sandbox: Sandbox) -> None:
        """Makes the directory."""
        self.directory.mkdir(parents=True, exist_ok=True)
        facts = {
            "uid": sandbox.uid,
            "namespace": sandbox.namespace,
            "name": sandbox.name,
            "ips": list(sandbox.ips),
            "grace": sandbox.grace,
        }
        write_json(self.directory / "pod.json", facts)

    def run(self, name: str, attempt: int) -> RunFiles:
        """The directory of one run of a container."""
        return RunFiles(self.directory / name / str(attempt))

    def read(self) -> Sandbox | None:
        """The pod without its containers; None when the files tell nothing complete."""
        facts = read_json(self.directory / "pod.json")
        return None if facts is None else Sandbox(**{**facts, "ips": tuple(facts["ips"])})

    def runs(self) -> Iterator[RunFiles]:
        """The runs on disk, by name and attempt."""
        for directory in sorted(self.directory.glob("*/*"), key=lambda path: (path.parent.name, int(path.name))):
            yield RunFiles(directory)

    def remove(self) -> None:
        """Removes everything."""
        shutil.rmtree(self.directory, ignore_errors=True)


def pods_on_disk(root: Path) -> Iterator[PodFiles]:
    """All pods below a root directory."""
    for path in sorted((root / "pods").glob("*/pod.json")):
        yield PodFiles(path.parent)


def take_lock(path: Path) -> int:
    """Locks a file for this process; closing the descriptor, or dying, unlocks it.

    Raises:
        RuntimeUnavailable: another process holds the lock.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RuntimeUnavailable(f"another kubelet uses {path.parent}") from None
    return descriptor


def write_json(path: Path, content: Any) -> None:
    """Writes a file that is either complete or not there."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """A file's content; None when there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
