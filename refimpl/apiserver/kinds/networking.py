"""Ingresses, their classes, and network policies: kept and shown, not enforced.

Source: kube-apiserver 1.36 `pkg/apis/networking`, `pkg/registry/networking`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import addresses, causes, labelselectors, numbers, printing
from refimpl.apiserver.kinds.kind import Kind, keep
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

DIRECTIONS: Final = ("Egress", "Ingress")
PROTOCOLS: Final = ("SCTP", "TCP", "UDP")


def hosts(ingress: Object, _clock: Clock) -> str:
    """The hosts of the first three rules; `*` when none names one."""
    rules = (ingress.get("spec") or {}).get("rules") or []
    named = [rule["host"] for rule in rules[:3] if rule.get("host")]
    if not named:
        return "*"
    return f"{','.join(named)} + {len(rules) - 3} more..." if len(rules) > 3 else ",".join(named)


def address(ingress: Object, _clock: Clock) -> str:
    """Where the load balancer listens."""
    points = printing.dig(ingress, ("status", "loadBalancer", "ingress"), [])
    assert isinstance(points, list)
    return ",".join(sorted({point.get("ip") or point.get("hostname", "") for point in points} - {""}))


class Ingresses(Kind):
    """Behaviour of Ingress."""

    has_generation: ClassVar[bool] = True
    has_status: ClassVar[bool] = True
    empty_status: ClassVar[Object] = {"loadBalancer": {}}
    update_without_version: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column(
            "Class",
            printing.field("spec.ingressClassName", printing.NONE),
            description="The name of the IngressClass resource that should be used for additional configuration",
        ),
        Column("Hosts", hosts, description="Hosts that incoming requests are matched against before the ingress rule"),
        Column("Address", address, description="Address is a list containing ingress points for the load-balancer"),
        Column(
            "Ports",
            lambda obj, _: "80, 443" if (obj.get("spec") or {}).get("tls") else "80",
            description="Ports of TLS configurations that open",
        ),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        obj.setdefault("spec", {})

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        spec = obj["spec"]
        if not spec.get("rules") and spec.get("defaultBackend") is None:
            yield causes.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        keep(old, new, "spec")


class IngressClasses(Kind):
    """Behaviour of IngressClass."""

    has_generation: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column(
            "Controller",
            printing.field("spec.controller"),
            description="Controller that is responsible for handling this class",
        ),
        Column(
            "Parameters",
            lambda obj, _: _parameters((obj.get("spec") or {}).get("parameters")),
            description="A reference to a resource with additional parameters",
        ),
        printing.AGE,
    )

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        controller = (obj.get("spec") or {}).get("controller", "")
        if not controller:
            yield causes.required("spec.controller")
        elif "/" not in controller or controller.startswith("/") or controller.endswith("/"):
            why = 'must be a domain-prefixed path (such as "acme.io/foo")'
            yield causes.invalid("spec.controller", controller, why)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        before, after = old.get("spec") or {}, new.get("spec") or {}
        yield from causes.immutable("spec.controller", before.get("controller"), after.get("controller"))


def _parameters(reference: Object | None) -> str:
    if reference is None:
        return printing.NONE
    kind = reference.get("kind", "")
    group = reference.get("apiGroup")
    return f"{kind}{f'.{group}' if group else ''}/{reference.get('name', '')}"


class NetworkPolicies(Kind):
    """Behaviour of NetworkPolicy."""

    has_generation: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column(
            "Pod-Selector",
            lambda obj, _: printing.format_selector((obj.get("spec") or {}).get("podSelector")),
            documents="spec.podSelector",
        ),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        spec = obj.setdefault("spec", {})
        spec.setdefault("podSelector", {})
        for rule in [*(spec.get("ingress") or []), *(spec.get("egress") or [])]:
            for port in rule.get("ports") or []:
                port["protocol"] = port.get("protocol") or "TCP"
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return _policy_causes(obj["spec"])

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from super().validate_update(ctx, old, new)
        yield from _policy_causes(new["spec"])


def _policy_causes(spec: Object) -> Iterable[Cause]:
    yield from labelselectors.label_selector_causes(spec["podSelector"], "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or []):
            path = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or []):
                yield from _port_causes(port, f"{path}.ports[{number}]")
            for number, peer in enumerate(rule.get(peers) or []):
                yield from _peer_causes(peer, f"{path}.{peers}[{number}]")
    types = spec["policyTypes"]
    if len(types) > len(DIRECTIONS):
        yield causes.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, direction in enumerate(types):
        if direction not in DIRECTIONS:
            yield causes.not_supported(f"spec.policyTypes[{index}]", direction, DIRECTIONS)


def _port_causes(port: Object, path: str) -> Iterable[Cause]:
    if port["protocol"] not in PROTOCOLS:
        yield causes.not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS)
    first, last = port.get("port"), port.get("endPort")
    if first is not None:
        yield from numbers.port_or_name(first, f"{path}.port")
    if last is None:
        return
    if isinstance(first, int):
        if last < first:
            yield causes.invalid(f"{path}.endPort", last, "must be greater than or equal to `port`")
        yield from numbers.port(last, f"{path}.endPort")
    elif first is None:
        yield causes.required(f"{path}.port", "may not be empty when endPort is specified")
    else:
        yield causes.invalid(f"{path}.endPort", last, "may not be specified when `port` is non-numeric")


def _peer_causes(peer: Object, path: str) -> Iterable[Cause]:
    selecting = [key for key in ("podSelector", "namespaceSelector") if peer.get(key) is not None]
    for key in selecting:
        yield from labelselectors.label_selector_causes(peer[key], f"{path}.{key}")
    block = peer.get("ipBlock")
    if block is not None:
        yield from _block_causes(block, f"{path}.ipBlock")
        if selecting:
            yield causes.forbidden(path, "may not specify both ipBlock and another peer")
    elif not selecting:
        yield causes.required(path, "must specify a peer")


def _block_causes(block: Object, path: str) -> Iterable[Cause]:
    if not block.get("cidr"):
        yield causes.required(f"{path}.cidr")
        return
    wrong = list(addresses.cidr_causes(block["cidr"], f"{path}.cidr"))
    yield from wrong
    for index, text in enumerate(block.get("except") or []):
        if wrong:
            return
        place = f"{path}.except[{index}]"
        wrong = list(addresses.cidr_causes(text, place))
        yield from wrong
        if not wrong and not _is_within(text, block["cidr"]):
            yield causes.invalid(place, text, "must be a strict subset of `cidr`")


def _is_within(inner: str, outer: str) -> bool:
    few, many = ipaddress.ip_network(inner, strict=False), ipaddress.ip_network(outer, strict=False)
    return few.prefixlen > many.prefixlen and few.network_address in many
