"""Exec and attach as messages over a websocket, one conversation at a time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import attrs
import pytest

from refimpl.api.http import Request
from refimpl.kubelet.http.streaming import Refusal, Socket, agreed, converse, ended, session_options
from refimpl.kubelet.runtime.base import SessionOptions, StartFailure
from refimpl.kubelet.runtime.processsession import open_session
from tests.kubelet.kubelet_master import make_kubelet, running

V5 = {"sec-websocket-protocol": "v5.channel.k8s.io"}


@attrs.define(eq=False)
class Client:
    """The other end of a websocket: what it says beforehand, and what it was told."""

    says: list[bytes] = attrs.field(factory=list)
    told: list[dict] = attrs.field(factory=list)
    leaves: bool = False

    @property
    def socket(self) -> Socket:
        return Socket(self._receive, self._send)

    def heard(self, channel: int) -> bytes:
        messages = [event["bytes"] for event in self.told if event["type"] == "websocket.send"]
        return b"".join(message[1:] for message in messages if message[0] == channel)

    async def _receive(self):
        if not any(event["type"].startswith("websocket.") for event in self.told):
            return {"type": "websocket.connect"}
        if self.says:
            return {"type": "websocket.receive", "bytes": self.says.pop(0)}
        if self.leaves:
            return {"type": "websocket.disconnect"}
        return await asyncio.Event().wait()

    async def _send(self, event):
        self.told.append(event)


async def command(*words: str, options: SessionOptions, client: Client, folder: Path) -> Client:
    session = await open_session(list(words), str(folder), {"PATH": "/usr/bin:/bin"}, options)
    client.told.append({"type": "websocket.accept"})
    await converse(session, client.socket)
    return client


@pytest.mark.live
async def test_input_output_errors_and_the_exit_code_have_channels(tmp_path: Path):
    client = Client([b"\x00in", b"\xff\x00"])
    options = SessionOptions(stdin=True)
    await command("sh", "-c", "cat; echo err >&2; exit 3", options=options, client=client, folder=tmp_path)
    assert (client.heard(1), client.heard(2)) == (b"in", b"err\n")
    status = json.loads(client.heard(3))
    assert (status["reason"], status["details"]["causes"]) == (
        "NonZeroExitCode",
        [{"reason": "ExitCode", "message": "3"}],
    )
    assert client.told[-1] == {"type": "websocket.close", "code": 1000}


@pytest.mark.live
async def test_a_terminal_takes_sizes_and_joins_the_output(tmp_path: Path):
    client = Client([b'\x04{"Width":80,"Height":24}', b"\x04nonsense", b"\x00stty size; echo err >&2; exit\n"])
    await command("sh", options=SessionOptions(stdin=True, tty=True), client=client, folder=tmp_path)
    assert b"24 80" in client.heard(1)
    assert b"err" in client.heard(1)
    assert json.loads(client.heard(3))["status"] == "Success"


@pytest.mark.live
@pytest.mark.parametrize("tty", [False, True])
async def test_a_client_that_leaves_takes_its_command_along(tmp_path: Path, tty):
    client = Client(leaves=True)
    session = await open_session(["sleep", "1000"], str(tmp_path), {}, SessionOptions(tty=tty))
    client.told.append({"type": "websocket.accept"})
    await converse(session, client.socket)
    assert session.process.returncode == -9


@pytest.mark.live
async def test_what_cannot_be_executed_is_a_start_failure(tmp_path: Path):
    for tty in (False, True):
        with pytest.raises(StartFailure, match="/no/such"):
            await open_session(["/no/such"], str(tmp_path), {}, SessionOptions(tty=tty))


async def test_requests_find_their_container(master):
    async with running(make_kubelet(master)) as kubelet:
        await asyncio.sleep(5)
        await master.bind(containers=[{"name": "c1", "image": "x", "command": ["sh", "-c", "sleep 1000"]}])
        await asyncio.sleep(5)

        async def ask(path: str, *query: tuple[str, str], headers=V5) -> Client:
            client = Client()
            await kubelet.server.handle_socket(Request("GET", path, query, headers), client.socket)
            return client

        said = await ask("/exec/default/p1/c1", ("output", "1"), ("command", "echo"), ("command", "hi"))
        assert said.told[0] == {"type": "websocket.accept", "subprotocol": "v5.channel.k8s.io"}
        assert said.heard(1) == b"hi\n"
        for path, query, headers, status in [
            ("/exec/default/none/c1", ("output", "1"), V5, 404),
            ("/exec/default/p1/none", ("output", "1"), V5, 500),
            ("/exec/default/p1/c1", ("output", "1"), V5, 400),
            ("/exec/default/p1/c1", ("command", "x"), V5, 400),
            ("/exec/default/p1/c1", ("output", "1"), {}, 403),
            ("/other", ("output", "1"), V5, 404),
        ]:
            refused = await ask(path, query, headers=headers)
            assert refused.told[0]["status"] == status, path


def test_subprotocols_are_agreed_in_the_clients_order():
    both = {"sec-websocket-protocol": "base64.channel.k8s.io, v4.channel.k8s.io, v5.channel.k8s.io"}
    assert agreed(Request("GET", "/", (), both)) == "v4.channel.k8s.io"
    with pytest.raises(Refusal, match="no subprotocol"):
        agreed(Request("GET", "/"))


def test_options_and_endings():
    asked = Request("GET", "/", (("input", "1"), ("output", "1"), ("tty", "1")))
    assert session_options(asked) == SessionOptions(stdin=True, tty=True)
    assert ended(0) == {"metadata": {}, "status": "Success"}
    assert ended(2)["message"] == "command terminated with non-zero exit code: exit status 2"
