"""How endpoints are spread over slices with few writes: pure functions.

Source: `k8s.io/endpointslice` 1.36 `reconciler.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating
from refimpl.controllers.endpoints import backends
from refimpl.controllers.endpointslice.endpoint import Backend
from refimpl.controllers.workloads.owners import controller_reference, controller_uid

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"


@attrs.frozen
class Changes:
    """What is to be written.

    Attributes:
        create: new slices.
        update: slices with their new content.
        delete: slices to drop.
    """

    create: tuple[Object, ...] = ()
    update: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()


@attrs.define
class _Draft:
    """A slice in the making: the stored one (or None) and what it is to hold."""

    stored: Object | None
    endpoints: list[Object]
    changed: bool

    def room(self, limit: int) -> int:
        return limit - len(self.endpoints)


def reconcile(service: Object, family: str, wanted: Sequence[Backend], stored: Sequence[Object], limit: int) -> Changes:
    """The changes that make the stored slices of one address family show exactly the wanted endpoints.

    Endpoints stay in their slice; new ones go where something changes anyway, then into the fullest slice that holds
    them all, then into new slices. A Service without endpoints has one empty slice.

    Args:
        service: the owner.
        family: `IPv4` or `IPv6`.
        wanted: what to publish.
        stored: slices of that family that bear the Service's name.
        limit: endpoints per slice.
    """
    ours = [one for one in stored if controller_uid(one) == service["metadata"]["uid"] and not is_terminating(one)]
    groups: dict[tuple[object, ...], list[Backend]] = {}
    for backend in wanted:
        groups.setdefault(backend.ports, []).append(backend)
    by_ports: dict[tuple[object, ...], list[Object]] = {}
    for one in ours:
        by_ports.setdefault(_ports_of(one), []).append(one)
    create: list[Object] = []
    update: list[Object] = []
    delete = [one for ports, held in by_ports.items() if ports not in groups for one in held]
    for ports, members in groups.items():
        for draft in _distribute(members, by_ports.get(ports, []), limit):
            _sort_draft(service, family, ports, draft, create, update, delete)
    if not create and len(delete) == len(ours):
        _keep_one(service, family, create, update, delete)
    _reuse(create, update, delete)
    foreign = [one for one in stored if one not in ours and not is_terminating(one)]
    return Changes(tuple(create), tuple(update), (*delete, *foreign))


def _ports_of(stored: Object) -> tuple[object, ...]:
    ports = [{"name": "", **port} for port in stored.get("ports") or ()]
    fields = ("name", "port", "protocol", "appProtocol")
    listed = [tuple((field, port[field]) for field in fields if field in port) for port in ports]
    return tuple(sorted(listed, key=repr))


def _distribute(wanted: Sequence[Backend], stored: Sequence[Object], limit: int) -> list[_Draft]:
    rest = {backend.uid: backend.endpoint for backend in wanted}
    drafts: list[_Draft] = []
    for one in stored:
        listed = one.get("endpoints") or []
        kept = [rest.pop(uid) for uid in map(_uid_of, listed) if uid in rest]
        drafts.append(_Draft(one, kept, kept != listed))
    waiting = list(rest.values())
    for draft in drafts:
        if draft.changed and draft.endpoints:
            waiting = _fill(draft, waiting, limit)
    if waiting:
        fitting = [draft for draft in drafts if not draft.changed and draft.room(limit) >= len(waiting)]
        if fitting:
            waiting = _fill(min(fitting, key=lambda draft: draft.room(limit)), waiting, limit)
    emptied = [draft for draft in drafts if draft.changed and not draft.endpoints]
    for draft in emptied:
        waiting = _fill(draft, waiting, limit)
    while waiting:
        draft = _Draft(None, [], changed=True)
        waiting = _fill(draft, waiting, limit)
        drafts.append(draft)
    return drafts


def _fill(draft: _Draft, waiting: list[Object], limit: int) -> list[Object]:
    room = max(0, draft.room(limit))
    if waiting and room:
        draft.endpoints += waiting[:room]
        draft.changed = True
    return waiting[room:]


def _sort_draft(
    service: Object,
    family: str,
    ports: tuple[object, ...],
    draft: _Draft,
    create: list[Object],
    update: list[Object],
    delete: list[Object],
) -> None:
    if draft.stored is None:
        create.append(_slice(service, family, ports, draft.endpoints))
    elif not draft.endpoints:
        delete.append(draft.stored)
    elif draft.changed or (draft.stored["metadata"].get("labels") or {}) != wanted_labels(service):
        update.append(_over(draft.stored, _slice(service, family, ports, draft.endpoints)))


def _keep_one(service: Object, family: str, create: list[Object], update: list[Object], delete: list[Object]) -> None:
    """A Service without endpoints still has one slice, without endpoints and ports."""
    empty = _slice(service, family, (), [])
    for one in delete:
        if not one.get("endpoints") and not one.get("ports"):
            delete.remove(one)
            if (one["metadata"].get("labels") or {}) != wanted_labels(service):
                update.append(_over(one, empty))
            return
    create.append(empty)


def _reuse(create: list[Object], update: list[Object], delete: list[Object]) -> None:
    """A slice to delete becomes one to create: one write instead of two."""
    while create and delete:
        update.append(_over(delete.pop(), create.pop()))


def _over(stored: Object, fresh: Object) -> Object:
    metadata = {**stored["metadata"], "labels": fresh["metadata"]["labels"]}
    return {**fresh, "metadata": metadata}


def wanted_labels(service: Object) -> dict[str, str]:
    """The Service's own labels, its name, and who manages the slice."""
    own = {
        key: value
        for key, value in (service["metadata"].get("labels") or {}).items()
        if key not in {SERVICE_NAME, MANAGED_BY, backends.HEADLESS_LABEL}
    }
    marks = {SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: MANAGER}
    if backends.is_headless(service):
        marks[backends.HEADLESS_LABEL] = ""
    return own | marks


def _slice(service: Object, family: str, ports: Iterable[object], endpoints: Sequence[Object]) -> Object:
    metadata = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": wanted_labels(service),
            "ownerReferences": [controller_reference(service)],
        },
        "addressType": family,
        "endpoints": list(endpoints),
        "ports": [dict(port) for port in ports],  # type: ignore[call-overload]
    }


def _uid_of(endpoint: Object) -> str:
    return str((endpoint.get("targetRef") or {}).get("uid", ""))
