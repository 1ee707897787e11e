"""Starting what is measured: our API server, and kube-apiserver with etcd from binaries that are there."""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path

import attrs
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.apiserver.measure import Server
from bench.process import free_port
from bench.wire import Connection, Target

TOKEN = "bench-token"
READY_WITHIN = 120.0
STOP_WITHIN = 20.0


@attrs.define(eq=False)
class Launched:
    """A server that can be started again and again on the same data.

    Attributes:
        name: in the table.
        words: its command.
        port: it listens on.
        log: where its output goes.
        beside: processes it needs (etcd), started once.
    """

    name: str
    words: Sequence[str]
    port: int
    log: Path
    beside: list[Process] = attrs.field(factory=list)
    process: Process | None = None

    @property
    def target(self) -> Target:
        """How to reach it."""
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        return Target("127.0.0.1", self.port, trusting, TOKEN)

    @property
    def server(self) -> Server:
        """It, running."""
        assert self.process is not None
        return Server(self.name, self.target, (self.process.pid, *(other.pid for other in self.beside)))

    async def start(self) -> float:
        """Starts it; returns the seconds until `/readyz` says ok.

        Raises:
            TimeoutError: it never did.
        """
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*self.words, stdout=log, stderr=log)
        async with asyncio.timeout(READY_WITHIN):
            while not await self._is_ready():  # noqa: ASYNC110 - another process: nothing to wait for
                await asyncio.sleep(0.02)
        return time.perf_counter() - began

    async def _is_ready(self) -> bool:
        try:
            connection = await Connection.open(self.target)
            answer = await connection.request("GET", "/readyz")
        except OSError:
            return False
        connection.close()
        return answer.status == 200

    async def stop(self) -> None:
        """Stops it, and leaves what it needs."""
        if self.process is not None:
            await _end(self.process)
            self.process = None

    async def close(self) -> None:
        """Stops everything."""
        for process in ([self.process] if self.process is not None else []) + self.beside:
            await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def ours(directory: Path, store: str = "") -> Launched:
    """Our API server: TLS, RBAC, SQLite with fsync (or another store)."""
    directory.mkdir(parents=True)
    port = free_port()
    words = [sys.executable, "-m", "refimpl", "apiserver", f"--listen=127.0.0.1:{port}", f"--data-dir={directory}/pki"]
    words += [f"--store={store or f'sqlite:{directory}/store.db'}", f"--token-auth-file={_tokens(directory)}"]
    return Launched("ours", [*words, "--authorization-mode=Node,RBAC"], port, directory / "log")


async def original(directory: Path, binaries: Path, *more: str) -> Launched:
    """kube-apiserver and etcd: TLS, RBAC, fsync as they do it by default.

    Args:
        directory: for their files; must not exist.
        binaries: where kube-apiserver is; etcd is found on the PATH.
        more: flags of kube-apiserver.
    """
    directory.mkdir(parents=True)  # noqa: ASYNC240 - once, before anything is measured
    client, peer, port = free_port(), free_port(), free_port()
    etcd = ["etcd", "--data-dir", f"{directory}/etcd", "--listen-client-urls", f"http://127.0.0.1:{client}"]
    etcd += ["--advertise-client-urls", f"http://127.0.0.1:{client}", "--listen-peer-urls", f"http://127.0.0.1:{peer}"]
    etcd += ["--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"]
    etcd += ["--initial-cluster", f"default=http://127.0.0.1:{peer}"]
    beside = await asyncio.create_subprocess_exec(*etcd, stdout=DEVNULL, stderr=DEVNULL)
    private, public = _signing_key(directory)
    words = [f"{binaries}/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{client}", f"--secure-port={port}"]
    words += ["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--cert-dir={directory}/certificates"]
    words += [f"--token-auth-file={_tokens(directory)}", "--authorization-mode=Node,RBAC", "--anonymous-auth=false"]
    words += ["--service-cluster-ip-range=10.96.0.0/16", f"--service-account-key-file={public}"]
    words += [f"--service-account-signing-key-file={private}"]
    words += ["--service-account-issuer=https://kubernetes.default.svc", "--disable-admission-plugins=ServiceAccount"]
    words += ["--enable-admission-plugins=NodeRestriction", *more]
    return Launched("original", words, port, directory / "log", [beside])


def _tokens(directory: Path) -> Path:
    path = directory / "tokens.csv"
    path.write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    return path


def _signing_key(directory: Path) -> tuple[Path, Path]:
    """A key for service accounts, which the original insists on: private and public part."""
    key = rsa.generate_private_key(65537, 2048)
    private, public = directory / "sa.key", directory / "sa.pub"
    pem = serialization.Encoding.PEM
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public
