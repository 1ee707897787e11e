"""Rules in force in the kernel: chains of netfilter, written with `iptables-restore`, which needs root.

The chains have kube-proxy's names and outlive the proxy: connections go on while it is away, and the next one finds
them. `rendered` is the pure part.

Source: kube-proxy 1.36 `iptables/proxier.go`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from refimpl.proxy.dataplane import described
from refimpl.proxy.endpoints import Endpoint
from refimpl.proxy.rules import Decision, Rule

_BINARIES: Final = {4: "iptables", 6: "ip6tables"}
_MARK: Final = "0x4000/0x4000"
_HOOKS: Final = (
    ("nat", "PREROUTING", "KUBE-SERVICES"),
    ("nat", "OUTPUT", "KUBE-SERVICES"),
    ("nat", "POSTROUTING", "KUBE-POSTROUTING"),
    ("filter", "INPUT", "KUBE-SERVICES"),
    ("filter", "FORWARD", "KUBE-SERVICES"),
    ("filter", "OUTPUT", "KUBE-SERVICES"),
)
_FIXED: Final = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ")
_OWN_CHAIN: Final = re.compile(r"^:(KUBE-(?:SVC|SEP)-\S+)", re.MULTILINE)


class IptablesFailed(Exception):
    """The kernel's rules could not be changed; the text is what the program said."""


class IptablesDataPlane:
    """See `refimpl.proxy.dataplane.DataPlane`."""

    def __init__(self) -> None:
        self._decision = Decision(())

    async def apply(self, decision: Decision) -> None:
        """See `DataPlane`.

        Raises:
            IptablesFailed: the kernel's rules could not be changed.
        """
        for family in (4, 6):
            rules = of_family(decision.rules, family)
            if rules or family == 4:
                await _apply(family, rules)
        self._decision = decision

    async def aclose(self) -> None:
        """See `DataPlane`: the kernel's rules stay."""

    def listing(self) -> list[dict[str, object]]:
        """See `DataPlane`."""
        return [described(rule) for rule in self._decision.rules]


def of_family(rules: Iterable[Rule], family: int) -> list[Rule]:
    """The rules of IPv4 (4) or IPv6 (6); a node port without endpoints is of both."""
    found = []
    for rule in rules:
        addresses = [rule.address] if rule.address else [endpoint.address for endpoint in rule.backends]
        if all(ipaddress.ip_address(address).version == family for address in addresses):
            found.append(rule)
    return found


def rendered(rules: Sequence[Rule], known: Iterable[str] = ()) -> str:
    """What `iptables-restore --noflush` is to be told.

    Args:
        rules: of one family.
        known: chains of Services and endpoints that are there from before.
    """
    chains = dict.fromkeys((*_FIXED, *(name for rule in rules if rule.backends for name in _chains(rule))))
    gone = [name for name in known if name not in chains]
    nat = [
        "*nat",
        *(f":{name} - [0:0]" for name in (*chains, *gone)),
        f"-A KUBE-MARK-MASQ -j MARK --or-mark {_MARK.partition('/')[0]}",
        f"-A KUBE-POSTROUTING -m mark ! --mark {_MARK} -j RETURN",
        f"-A KUBE-POSTROUTING -j MARK --xor-mark {_MARK.partition('/')[0]}",
        "-A KUBE-POSTROUTING -j MASQUERADE",
        *(line for rule in rules if rule.backends for line in _leading(rule)),
        "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
        *(f"-X {name}" for name in gone),
        "COMMIT",
    ]
    refused = [_refusing(rule) for rule in rules if not rule.backends]
    return "\n".join([*nat, "*filter", ":KUBE-SERVICES - [0:0]", *refused, "COMMIT", ""])


def service_chain(rule: Rule) -> str:
    """The chain of one address of a Service's port."""
    return "KUBE-SVC-" + _hashed("/".join((*rule.name, rule.kind, rule.address)))


def endpoint_chain(rule: Rule, endpoint: Endpoint) -> str:
    """The chain of one endpoint behind it."""
    return "KUBE-SEP-" + _hashed(f"{service_chain(rule)}/{endpoint.address}/{endpoint.port}")


def _chains(rule: Rule) -> list[str]:
    return [service_chain(rule), *(endpoint_chain(rule, endpoint) for endpoint in rule.backends)]


def _leading(rule: Rule) -> Iterator[str]:
    """From the address to the Service's chain, from there to one endpoint by chance, and on."""
    service, protocol = service_chain(rule), rule.protocol.lower()
    front = _matching(rule)
    if rule.kind != "clusterIP":
        yield f"-A {service} -j KUBE-MARK-MASQ"
    yield f"{front} -j {service}"
    if rule.affinity is not None:
        for endpoint in rule.backends:
            chain = endpoint_chain(rule, endpoint)
            yield f"-A {service} -m recent --name {chain} --rcheck --seconds {rule.affinity} --reap -j {chain}"
    for position, endpoint in enumerate(rule.backends):
        chain, left = endpoint_chain(rule, endpoint), len(rule.backends) - position
        chance = f" -m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
        yield f"-A {service}{chance} -j {chain}"
        yield f"-A {chain} -s {endpoint.address} -j KUBE-MARK-MASQ"
        stay = f" -m recent --name {chain} --set" if rule.affinity is not None else ""
        yield f"-A {chain} -p {protocol}{stay} -m {protocol} -j DNAT --to-destination {_joined(endpoint)}"


def _refusing(rule: Rule) -> str:
    return f"{_matching(rule, filtering=True)} -j {'DROP' if rule.drop else 'REJECT'}"


def _matching(rule: Rule, *, filtering: bool = False) -> str:
    protocol = rule.protocol.lower()
    if rule.address:
        return f"-A KUBE-SERVICES -d {rule.address} -p {protocol} -m {protocol} --dport {rule.port}"
    where = "-A KUBE-SERVICES -m addrtype --dst-type LOCAL" if filtering else "-A KUBE-NODEPORTS"
    return f"{where} -p {protocol} -m {protocol} --dport {rule.port}"


def _joined(endpoint: Endpoint) -> str:
    return f"[{endpoint.address}]:{endpoint.port}" if ":" in endpoint.address else f"{endpoint.address}:{endpoint.port}"


def _hashed(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


async def _apply(family: int, rules: Sequence[Rule]) -> None:
    binary = _BINARIES[family]
    known = _OWN_CHAIN.findall(await _run(f"{binary}-save", "-t", "nat"))
    await _run(f"{binary}-restore", "--noflush", said=rendered(rules, known))
    for table, chain, target in _HOOKS:
        try:
            await _run(binary, "-t", table, "-C", chain, "-j", target)
        except IptablesFailed:
            await _run(binary, "-t", table, "-I", chain, "-j", target)


async def _run(*words: str, said: str = "") -> str:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise IptablesFailed(f"{words[0]}: {error.strerror}") from error
    output, problem = await process.communicate(said.encode())
    if process.returncode:
        raise IptablesFailed(f"{' '.join(words)}: {problem.decode(errors='replace').strip()}")
    return output.decode()
