"""Commands in containers and their streams: kubectl exec and attach, over WebSocket, through the API server."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import socketserver
import struct
import subprocess
import termios
import threading

import pytest

from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: busybox
    env: [{name: GREETING, value: hello}]
    command: [sh, -c, "echo started; while sleep 0.5; do echo tick; done"]
"""


@pytest.fixture
def pod(kubectl: Kubectl) -> Kubectl:
    """A kubectl whose namespace has a running pod `p`."""
    if speaks_spdy(kubectl):
        pytest.skip("this kubectl speaks SPDY, not WebSocket")
    return with_pod(kubectl)


def speaks_spdy(kubectl: Kubectl) -> bool:
    """Whether this kubectl is older than 1.31."""
    return kubectl.minor < 31


def with_pod(kubectl: Kubectl) -> Kubectl:
    kubectl("create", "-f", "-", stdin=POD)
    kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=30s")
    return kubectl


def test_a_command_says_what_it_says_and_ends_as_it_ends(pod: Kubectl):
    assert pod("exec", "p", "--", "sh", "-c", "echo $GREETING") == "hello\n"
    failed = pod.run("exec", "p", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert "err\n" in failed.stderr
    assert "exit code 7" in failed.stderr
    assert pod.run("exec", "p", "--", "/no/such").returncode == 126


def test_a_kubectl_that_speaks_spdy_is_told_what_it_needs(kubectl: Kubectl):
    if not speaks_spdy(kubectl):
        pytest.skip("this kubectl speaks WebSocket")
    refused = with_pod(kubectl)("exec", "p", "--", "true", status=1)
    assert "SPDY is not served" in refused
    assert "kubectl 1.31 or newer" in refused


def test_standard_input_is_read_to_its_end(pod: Kubectl):
    text = "".join(f"line {number}\n" for number in range(2000))
    assert pod("exec", "-i", "p", "--", "cat", stdin=text) == text


def test_what_is_not_there_is_an_error(pod: Kubectl):
    assert 'pods "none" not found' in pod("exec", "none", "--", "true", status=1)
    assert "container x is not valid for pod p" in pod("exec", "p", "-c", "x", "--", "true", status=1)


def test_attach_shows_what_a_container_says_from_now_on(pod: Kubectl):
    following = pod.start("attach", "p")
    assert following.stdout is not None
    lines = [following.stdout.readline() for _ in range(2)]
    following.terminate()
    following.communicate()
    assert lines == ["tick\n", "tick\n"]


def test_a_port_of_a_pod_is_reached_through_kubectl(pod: Kubectl):
    class Echo(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"heard " + self.rfile.read())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pod.start("port-forward", "p", f":{server.server_address[1]}") as forwarding:
            assert forwarding.stdout is not None
            told = forwarding.stdout.readline()
            try:
                port = int(told.partition(":")[2].split()[0])
                heard = {text: said_to(port, text) for text in (b"a" * 300_000, b"b")}
            finally:
                forwarding.terminate()
        server.shutdown()
    assert heard == {text: b"heard " + text for text in heard}


def said_to(port: int, text: bytes) -> bytes:
    """What a port of this machine answers to a text."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return answer.read()


def test_a_terminal_has_the_size_of_the_user_s(pod: Kubectl):
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    command = pod.command("exec", "-it", "p", "--", "sh")
    environment = {**pod.environment, "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    os.write(ours, b"for i in 1 2 3 4 5; do stty size; sleep 0.2; done; tty; exit 3\n")
    said = b""
    while select.select([ours], [], [], 20)[0]:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    assert process.wait(timeout=20) == 3
    assert b"33 101" in said
    assert b"/dev/pts/" in said
