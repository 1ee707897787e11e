"""Authorizers by the names of `--authorization-mode`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from refimpl.apiserver.authorization.decisions import Authorizer, always_allow, always_deny, privileged
from refimpl.apiserver.authorization.node import NodeAuthorizer
from refimpl.apiserver.authorization.rbac import Rbac
from refimpl.apiserver.objects.registry import Registry

NODE_AND_RBAC: Final = ("Node", "RBAC")
MODES: Final = ("AlwaysAllow", "AlwaysDeny", *NODE_AND_RBAC)


def authorizers(modes: Sequence[str], registry: Registry) -> tuple[Authorizer, ...]:
    """The authorizers of the modes, in order; `system:masters` comes before all of them.

    Raises:
        ValueError: there is no such mode.
    """
    for mode in modes:
        if mode not in MODES:
            raise ValueError(f"unknown authorization mode {mode!r}; there are {', '.join(MODES)}")
    if tuple(modes) == ("AlwaysAllow",):
        return (always_allow,)
    return (privileged, *(_made(mode, registry) for mode in modes))


def _made(mode: str, registry: Registry) -> Authorizer:
    match mode:
        case "Node":
            return NodeAuthorizer(registry)
        case "RBAC":
            return Rbac(registry)
        case "AlwaysDeny":
            return always_deny
        case _:
            return always_allow
