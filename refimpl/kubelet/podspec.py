"""Reading pods: the parts of spec and metadata that the kubelet acts on."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from refimpl.api.errors import Object
from refimpl.clock import parse_time

DEFAULT_GRACE: Final = 30
MINIMUM_GRACE: Final = 2
TERMINAL_PHASES: Final = ("Succeeded", "Failed")


def uid_of(pod: Object) -> str:
    """The pod's uid."""
    uid: str = pod["metadata"]["uid"]
    return uid


def describe(pod: Object) -> str:
    """`name_namespace(uid)`, as the kubelet's messages name a pod."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def containers_of(pod: Object) -> list[Object]:
    """The app containers, in order."""
    return pod["spec"].get("containers") or []


def init_containers_of(pod: Object) -> list[Object]:
    """The init containers, sidecars among them, in order."""
    return pod["spec"].get("initContainers") or []


def container_named(pod: Object, name: str) -> Object | None:
    """The entry of a container in the pod's spec."""
    for container in [*containers_of(pod), *init_containers_of(pod)]:
        if container["name"] == name:
            return container
    return None


def restart_policy(pod: Object) -> str:
    """`Always`, `OnFailure` or `Never`."""
    return str(pod["spec"].get("restartPolicy") or "Always")


def on_host_network(pod: Object) -> bool:
    """Whether the pod shares the node's network."""
    return bool(pod["spec"].get("hostNetwork"))


def is_terminal(pod: Object) -> bool:
    """Whether the API says that the pod has ended."""
    return (pod.get("status") or {}).get("phase") in TERMINAL_PHASES


def is_deleting(pod: Object) -> bool:
    """Whether somebody asked for the pod's deletion."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def spec_grace(pod: Object) -> int:
    """Seconds the containers get to stop, by the pod's spec."""
    grace = pod["spec"].get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE if grace is None else int(grace)


def deletion_grace(pod: Object) -> int:
    """Seconds the containers get to stop, by the request that deletes the pod, else by its spec.

    A forced deletion (0 seconds) frees the name, not the machine: containers still get what their spec grants.
    """
    return int(pod["metadata"].get("deletionGracePeriodSeconds") or 0) or spec_grace(pod)


def start_time(pod: Object) -> datetime | None:
    """When this or an earlier run of the kubelet first saw the pod."""
    text = (pod.get("status") or {}).get("startTime")
    return parse_time(text) if text else None


def active_deadline(pod: Object) -> float | None:
    """Seconds after its start at which the pod is ended; None for never."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    return None if seconds is None else float(seconds)
