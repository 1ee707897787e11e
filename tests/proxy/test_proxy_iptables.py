"""Rules in the kernel: what iptables is told, and that connections then arrive, in a network namespace of their own."""

import os
import shutil
import subprocess
import sys
from collections import Counter

import pytest

from refimpl.proxy import iptables
from refimpl.proxy.endpoints import Endpoint
from refimpl.proxy.rules import Rule

STORY = """
import asyncio, socket
from refimpl.proxy.endpoints import Endpoint
from refimpl.proxy.iptables import IptablesDataPlane
from refimpl.proxy.rules import Decision, Rule

NAME = ("ns", "s", "", "TCP")

async def backend(name, address):
    async def answer(reader, writer):
        writer.write(name)
        writer.close()
    return await asyncio.start_server(answer, address, 8080), Endpoint(address, 8080)

async def ask(address, port):
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return "refused"
    said = await reader.read()
    writer.close()
    return said.decode()

async def main():
    plane = IptablesDataPlane()
    one, first = await backend(b"one", "10.1.0.1")
    two, second = await backend(b"two", "10.1.0.2")
    def rule(*behind, kind="clusterIP", address="10.96.0.1", port=80, **more):
        return Rule(NAME, kind, address, port, behind, **more)
    await plane.apply(Decision((rule(first, second), rule(first, kind="nodePort", address="", port=30080))))
    print("both", *[await ask("10.96.0.1", 80) for _ in range(40)])
    print("node", await ask("10.1.0.1", 30080))
    await plane.apply(Decision((rule(second),)))
    print("second", *[await ask("10.96.0.1", 80) for _ in range(5)])
    await plane.apply(Decision((rule(first, second, affinity=100),)))
    print("sticky", *[await ask("10.96.0.1", 80) for _ in range(8)])
    await plane.apply(Decision((rule(),)))
    print("none", await ask("10.96.0.1", 80))

asyncio.run(main())
"""


NETWORK = (
    "ip link set lo up && ip link add d0 type veth peer name d1 && ip addr add 10.1.0.1/24 dev d0 "
    "&& ip addr add 10.1.0.2/24 dev d0 && ip link set d0 up && ip link set d1 up "
    "&& ip route add default via 10.1.0.77 dev d0"
)
"""Addresses of two pods and a way to those of Services."""


def missing() -> str:
    """Why the kernel's rules cannot be tried here; empty when they can."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("unshare", "iptables-restore", "ip")):
        return "needs root, unshare, ip and iptables"
    tried = f"{NETWORK} && iptables -t nat -A OUTPUT -m statistic --mode random --probability 0.5 -j RETURN"
    done = subprocess.run(["unshare", "-n", "sh", "-c", tried], capture_output=True, check=False)
    return "" if done.returncode == 0 else "no network namespaces with iptables"


def a_rule(*backends, **more):
    given = {"kind": "clusterIP", "address": "10.96.0.1", "port": 80, **more}
    return Rule(("ns", "s", "", "TCP"), given.pop("kind"), given.pop("address"), given.pop("port"), backends, **given)


ONE, TWO = Endpoint("10.1.0.1", 8080), Endpoint("10.1.0.2", 8080)


def test_each_endpoint_gets_its_chance():
    text = iptables.rendered([a_rule(ONE, TWO)])
    service = iptables.service_chain(a_rule())
    first, second = (iptables.endpoint_chain(a_rule(), endpoint) for endpoint in (ONE, TWO))
    assert f"-A KUBE-SERVICES -d 10.96.0.1 -p tcp -m tcp --dport 80 -j {service}" in text
    assert f"-A {service} -m statistic --mode random --probability 0.5000000000 -j {first}" in text
    assert f"-A {service} -j {second}" in text
    assert f"-A {second} -p tcp -m tcp -j DNAT --to-destination 10.1.0.2:8080" in text


def test_no_endpoints_are_a_rejection_and_none_here_a_drop():
    text = iptables.rendered([a_rule(), a_rule(drop=True, kind="nodePort", address="", port=30080)])
    assert "-A KUBE-SERVICES -d 10.96.0.1 -p tcp -m tcp --dport 80 -j REJECT" in text
    assert "--dst-type LOCAL -p tcp -m tcp --dport 30080 -j DROP" in text
    assert "KUBE-SVC" not in text


def test_chains_of_what_is_gone_are_removed():
    kept = iptables.service_chain(a_rule())
    text = iptables.rendered([a_rule(ONE)], [kept, "KUBE-SVC-OLD"])
    assert "-X KUBE-SVC-OLD" in text
    assert f"-X {kept}" not in text


def test_families_have_rules_of_their_own():
    six = a_rule(Endpoint("fd00::1", 80), address="fd01::1")
    port = a_rule(ONE, kind="nodePort", address="", port=30080)
    assert iptables.of_family([a_rule(ONE), six, port], 4) == [a_rule(ONE), port]
    assert iptables.of_family([a_rule(ONE), six, port], 6) == [six]
    assert "--to-destination [fd00::1]:80" in iptables.rendered([six])


@pytest.mark.live
@pytest.mark.timeout(60)
@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
def test_connections_arrive_by_the_kernels_rules():
    command = ["unshare", "-n", "sh", "-c", f'{NETWORK} && exec "$@"', "sh", sys.executable, "-c", STORY]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=40)
    said = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert done.returncode == 0, done.stderr
    assert all(count >= 5 for count in Counter(said["both"]).values())
    assert (set(said["both"]), said["node"], set(said["second"])) == ({"one", "two"}, ["one"], {"two"})
    assert len(set(said["sticky"])) == 1
    assert said["none"] == ["refused"]
