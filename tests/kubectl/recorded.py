"""Runs a recorded kubectl session with a real kubectl against a server of ours, and compares what it printed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import attrs

from refimpl.api.http import Request, User
from refimpl.apiserver.http import asgi
from refimpl.apiserver.identity.authentication import AUTHENTICATED
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock, format_time
from refimpl.storage.memory import MemoryStore
from tests.replay import sessions
from tests.replay.compare import Bindings, fits
from tests.replay.sessions import Session

WITHIN = 30
RECORDER = User("admin", ("system:masters", AUTHENTICATED), "admin")
MERGE = {"content-type": "application/merge-patch+json"}
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/web/status"
ROLLED_OUT = (
    (1.2, {"updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1}),
    (2.4, {"updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}),
)
"""Seconds after the start of `rollout-status-wait`, and what the Deployment's status was patched with."""


_WRITTEN_OUT = re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20[2-9]\d \d\d:\d\d:\d\d \+0000")

_VERSION = re.compile(r"v\d+\.\d+\.\d+\S*")


@attrs.frozen
class Ended:
    """How a run ended."""

    stdout: str
    stderr: str
    exit_code: int


async def run(binary: str, session: Session, folder: Path) -> Ended:
    """One session, with a server of its own and an empty cache."""
    async with _server(session) as (server, url):
        kubeconfig = _write_kubeconfig(folder, url)
        process = await asyncio.create_subprocess_exec(
            binary,
            *session.words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(kubeconfig), "TZ": "UTC"},
        )
        beside = asyncio.create_task(_beside(server, session))
        async with asyncio.timeout(WITHIN):
            stdout, stderr = await process.communicate(session.stdin.encode())
        beside.cancel()
        assert process.returncode is not None
        # The recorded server spoke TLS.
        said = stdout.decode().replace(url, url.replace("http:", "https:"))
        return Ended(said, stderr.decode(), process.returncode)


@contextlib.asynccontextmanager
async def _server(session: Session) -> AsyncIterator[tuple[ApiServer, str]]:
    server = ApiServer(MemoryStore(), Clock(), security=Security([lambda _: RECORDER]))
    await server.start()
    await sessions.prepare(server, session)
    listener = asgi.listen("127.0.0.1", 0)
    serving = asyncio.Event()
    task = asyncio.create_task(asgi.serve(server, listener, ready=serving.set))
    await serving.wait()
    try:
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await server.close()


def _write_kubeconfig(folder: Path, url: str) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "admintoken"}}],
        "current-context": "c",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


async def _beside(server: ApiServer, session: Session) -> None:
    """What happened in the cluster while kubectl ran."""
    if session.name == "kubectl/rollout-status-wait":
        passed = 0.0
        for at, status in ROLLED_OUT:
            await asyncio.sleep(at - passed)
            passed = at
            body = json.dumps({"status": status}).encode()
            patched = await server.receive(Request("PATCH", DEPLOYMENT, (), MERGE, body))
            assert patched.status == 200, patched
    while sessions.has_kubelet(session):
        await asyncio.sleep(0.1)
        await sessions.finish_deletions(server)


def differences(session: Session, ended: Ended) -> list[str]:
    """How a run differs from the recording."""
    bindings, now = Bindings(), Clock().now()
    found = []
    if ended.exit_code != session.exit_code:
        found.append(f"exit code: want {session.exit_code}, got {ended.exit_code}")
    for name, want, got in (("stdout", session.stdout, ended.stdout), ("stderr", session.stderr, ended.stderr)):
        if want is None:
            continue
        wanted, printed = _comparable(session, want), _comparable(session, got)
        if not fits(wanted, printed, bindings, now):
            found.append(f"{name}: want\n{wanted}\ngot\n{printed}")
    return found


def _comparable(session: Session, text: str) -> str:
    """Words apart by one blank, so that columns may be as wide as they are; times and versions in one form."""
    if session.words == ("version",):
        text = _VERSION.sub("VERSION", text)
    text = _WRITTEN_OUT.sub(lambda match: format_time(parsedate_to_datetime(match.group())), text)
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return "\n".join(sorted(lines) if session.unordered else lines)
