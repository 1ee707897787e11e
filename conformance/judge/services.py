"""Facts about what a Service publishes: which pods its Endpoints and its EndpointSlices list, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from conformance.record.history import History, Object

READY = "ready"
NOT_READY = "not ready"
SERVICE_LABEL = "kubernetes.io/service-name"

Listed = Mapping[str, Any]
"""How pods are listed, by their names; those that are not listed are missing."""


@attrs.frozen
class Publication:
    """What a Service published from a moment on.

    Attributes:
        at: when it was seen.
        pods: how the pods are listed.
    """

    at: float
    pods: Listed


def addresses(endpoints: Object | None) -> dict[str, str]:
    """Whether the pods in an Endpoints object are listed as `READY` or as `NOT_READY`."""
    found = {}
    for subset in (endpoints or {}).get("subsets") or []:
        for field, state in (("notReadyAddresses", NOT_READY), ("addresses", READY)):
            for address in subset.get(field) or []:
                found[_pod(address)] = state
    return found


def address(endpoints: Object | None, pod: str) -> Object | None:
    """What an Endpoints object says of a pod: address, node, reference and ports; None when it is not listed."""
    for subset in (endpoints or {}).get("subsets") or []:
        for field in ("addresses", "notReadyAddresses"):
            for listed in subset.get(field) or []:
                if _pod(listed) == pod:
                    target = listed.get("targetRef") or {}
                    ports = [(port.get("port"), port.get("protocol")) for port in subset.get("ports") or []]
                    return {
                        "ip": listed.get("ip"),
                        "nodeName": listed.get("nodeName"),
                        "uid": target.get("uid"),
                        "ports": ports,
                    }
    return None


def due_address(pod: Object, port: int) -> Object:
    """What an Endpoints object has to say of a pod that listens on a TCP port; see `address`."""
    return {
        "ip": (pod.get("status") or {}).get("podIP"),
        "nodeName": pod["spec"].get("nodeName"),
        "uid": pod["metadata"]["uid"],
        "ports": [(port, "TCP")],
    }


def slice_conditions(slices: Iterable[Object]) -> dict[str, Mapping[str, Any]]:
    """The conditions of the pods in a Service's EndpointSlices."""
    return {_pod(one): one.get("conditions") or {} for each in slices for one in each.get("endpoints") or []}


def published(history: History, kind: str, service: str) -> Iterator[Publication]:
    """What a Service published over time.

    Args:
        history: of the scenario.
        kind: `Endpoints`: pods are `READY` or `NOT_READY`; `EndpointSlice`: pods have their conditions.
        service: its name.
    """
    slices: dict[str, Object] = {}
    for event in history.events:
        if event.kind != kind:
            continue
        if kind == "Endpoints":
            if event.name == service:
                yield Publication(event.at, addresses(event.after))
        elif _service_of(event.after or event.before) == service:
            slices.pop(event.name, None)
            if event.after is not None:
                slices[event.name] = event.after
            yield Publication(event.at, slice_conditions(slices.values()))


def at(found: Iterable[Publication], moment: float) -> Listed:
    """What was published at a moment."""
    listed: Listed = {}
    for publication in found:
        if publication.at > moment:
            break
        listed = publication.pods
    return listed


def first(found: Iterable[Publication], since: float, holds: Callable[[Listed], bool]) -> float | None:
    """When something first held for what was published, from a moment on; None when it never did."""
    known = list(found)
    if holds(at(known, since)):
        return since
    return next((each.at for each in known if each.at > since and holds(each.pods)), None)


def _pod(address: Mapping[str, Any]) -> str:
    return str((address.get("targetRef") or {}).get("name", ""))


def _service_of(endpoint_slice: Object | None) -> str:
    return str(((endpoint_slice or {}).get("metadata", {}).get("labels") or {}).get(SERVICE_LABEL, ""))
