"""Ingresses, their classes, and network policies: kept and shown, not enforced.

Source: kube-apiserver 1.36 `pkg/apis/networking`, `pkg/registry/networking`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, labelselectors, printing
from refimpl.apiserver.kinds.kind import Kind, keep
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock


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
        return labelselectors.label_selector_causes(obj["spec"].get("podSelector"), "spec.podSelector")
