"""Containers for pods on the nodes of agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAUSE_IMAGE = "registry.k8s.io/pause:3.9"
SHELL_IMAGE = "registry.k8s.io/e2e-test-images/busybox:1.29-4"
NO_IMAGE = "registry.invalid/conformance/none:1"
"""An image that nobody can pull: names below `.invalid` are never resolved (RFC 6761)."""

STUBBORN = "trap '' TERM; sleep 100000"
"""A script that does not end when it is told to."""

OBEDIENT = "trap 'exit 0' TERM; while true; do sleep 1; done"
"""A script that ends within a second when it is told to."""


def pause(name: str = "pause", *, requests: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A container that does nothing until it is told to end; without any process in it, it behaves alike."""
    resources = {"resources": {"requests": dict(requests)}} if requests else {}
    return {"name": name, "image": PAUSE_IMAGE, **resources, **more}


def shell(script: str, name: str = "shell", **more: Any) -> dict[str, Any]:
    """A container that runs a script."""
    return {"name": name, "image": SHELL_IMAGE, "command": ["sh", "-c", script], **more}
