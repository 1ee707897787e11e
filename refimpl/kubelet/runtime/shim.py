"""Stays with one container of the process runtime from its start to its end, so that the kubelet may die and return.

    python -I -S shim.py DIRECTORY

A program of its own that imports nothing of this package: it must start in a few milliseconds, and once for each
container. It reads `spec.json` in its directory (`argv`, `env`, `cwd`, `cgroups`), enters the cgroups whose files are
named there, starts the process in a session of its own, copies its output to `log` in the format of the Container
Runtime Interface, and leaves

    shim.json     {"shim": pid, "pid": pid, "started_at": nanoseconds}    when the process runs
    exit.json     {"exit_code": n, "finished_at": nanoseconds, "message": text}    when it has ended

What loses its parent inside the container becomes its child, is reaped by it, and ends with the container: the
machine's init may take its time, and until then the dead count as processes.

On descriptor 3 it says `ok` or why the process could not be started; descriptor 4 is a locked file, so that the lock
tells whether the shim lives. It has no event loop and no Clock: its stamps are
those of the machine, like the kubelet's own when it runs for real. On a full disk it keeps its word: the room for both
files is taken before the process starts, and only lines of output are lost.
"""

# ruff: noqa: PTH105, PTH118, PTH123 - importing pathlib would double the time a container takes to start

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import io
    from collections.abc import Mapping
    from typing import Any

STARTED = 3
LOCK = 4
DRAIN_SECONDS = 0.5
START_FAILED = 128
SET_CHILD_SUBREAPER = 36
ROOM = 4096
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def take_room(path: str) -> None:
    """Takes the room that a file will need."""
    with open(path + ".new", "w") as file:
        file.write(" " * ROOM)


def write_json(path: str, content: Mapping[str, object]) -> None:
    """Writes a file that is either complete or not there, into the room taken for it."""
    temporary = path + ".new"
    with open(temporary, "r+") as file:
        json.dump(content, file)
    os.replace(temporary, path)


def stamp() -> str:
    """Now, as a log line begins: RFC 3339 with nanoseconds."""
    now = time.time_ns()
    seconds, nanoseconds = divmod(now, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"


class Pump:
    """Copies one output stream to the log, line by line; a line without end is marked as partial."""

    def __init__(self, descriptor: int, name: bytes, log: io.RawIOBase) -> None:
        self.descriptor = descriptor
        self._name = name
        self._log = log
        self._rest = b""

    def copy(self) -> bool:
        """Copies what is there; False at the end of the stream."""
        chunk = os.read(self.descriptor, 65536)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._write(b"F", line)
        if self._rest and (not chunk or len(self._rest) > 16384):
            self._write(b"P", self._rest)
            self._rest = b""
        return bool(chunk)

    def _write(self, tag: bytes, line: bytes) -> None:
        try:
            self._log.write(b"%s %s %s %s\n" % (stamp().encode(), self._name, tag, line))
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise


def start(spec: dict[str, Any], outputs: tuple[int, int]) -> int:
    """Starts the process and returns its pid."""
    for door in spec.get("cgroups", ()):
        with open(door, "w") as file:
            file.write("0")
    os.chdir(spec["cwd"])
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, outputs[0], 1),
        (os.POSIX_SPAWN_DUP2, outputs[1], 2),
    ]
    mask = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE]
    program: str = spec["argv"][0]
    return os.posix_spawnp(program, spec["argv"], spec["env"], file_actions=actions, setsid=True, setsigdef=mask)


def adopt_orphans() -> int:
    """Makes this process the parent of whoever loses theirs; a descriptor that can be read when a child has ended."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    bell, ring = os.pipe()
    os.set_blocking(ring, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    return bell


def reap(pid: int) -> int | None:
    """Takes note of every child that has ended; the status of that one, if it was among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                break
            if child == pid:
                found = status
    return found


def end_rest(pid: int) -> None:
    """A container ends with its first process: what it left behind goes, too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError, FileNotFoundError):
        while True:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                children = file.read().split()
            for child in children:
                os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)


def follow(pid: int, pumps: list[Pump], bell: int) -> int:
    """Copies output until the process ends, then what is left of it; returns the process's exit code."""
    poll = select.poll()
    poll.register(bell, select.POLLIN)
    open_pumps = {pump.descriptor: pump for pump in pumps}
    for descriptor in open_pumps:
        poll.register(descriptor, select.POLLIN | select.POLLHUP)
    status = None
    while open_pumps or status is None:
        ready = poll.poll(None if status is None else DRAIN_SECONDS * 1000)
        if status is not None and not ready:
            break
        for descriptor, _ in ready:
            if descriptor == bell:
                os.read(bell, 4096)
                status = reap(pid) if status is None else status
                if status is not None:
                    poll.unregister(bell)
                    end_rest(pid)
            elif not open_pumps[descriptor].copy():
                poll.unregister(descriptor)
                del open_pumps[descriptor]
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main(directory: str) -> None:
    """One container."""
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    for own in (STARTED, LOCK):
        os.set_inheritable(own, False)
    with open(os.path.join(directory, "spec.json")) as file:
        spec = json.load(file)
    bell = adopt_orphans()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    shim_file, exit_file = os.path.join(directory, "shim.json"), os.path.join(directory, "exit.json")
    take_room(shim_file)
    take_room(exit_file)
    try:
        pid = start(spec, (out_write, err_write))
    except OSError as error:
        why = f"exec: {spec['argv'][0]!r}: {error.strerror}"
        write_json(exit_file, {"exit_code": START_FAILED, "finished_at": time.time_ns(), "message": why})
        os.write(STARTED, why.encode())
        return
    os.close(out_write)
    os.close(err_write)
    shim = {"shim": os.getpid(), "pid": pid, "started_at": time.time_ns()}
    write_json(shim_file, shim)
    os.write(STARTED, b"ok")
    os.close(STARTED)
    with open(os.path.join(directory, "log"), "ab", buffering=0) as log:
        code = follow(pid, [Pump(out_read, b"stdout", log), Pump(err_read, b"stderr", log)], bell)
    write_json(exit_file, {"exit_code": code, "finished_at": time.time_ns(), "message": ""})


if __name__ == "__main__":
    main(sys.argv[1])
