"""Registration: the node creates its own Node object, or adopts the one that is there.

It is tried for ever while the master refuses or is down, and done once per process: a Node that an administrator
deletes stays deleted until the kubelet restarts.

Source: kubelet 1.36 `registerWithAPIServer`, `tryRegisterWithAPIServer`; kubelet 1.5 for externalID.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from refimpl.api import quantity
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import NODES
from refimpl.client.client import Client
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.kubelet import resources, strategic
from refimpl.kubelet.era import Era
from refimpl.kubelet.node.nodestatus import ATTACH_DETACH_ANNOTATION

log = logging.getLogger(__name__)

_FIRST_DELAY: Final = 0.1
_MAX_DELAY: Final = 7.0

DEFAULT_LABELS: Final = (
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
)
"""Labels that a restarted kubelet restores; all others belong to the operator."""


def next_delay(delay: float) -> float:
    """Seconds between this try and the next, given those before it."""
    return min(delay * 2, _MAX_DELAY)


def must_adopt(error: ApiError, era: Era) -> bool:
    """Whether a refused POST means that the Node may exist already."""
    return error.reason == "AlreadyExists" or (error.code == 403 and era.adopts_when_forbidden)


def is_foreign(initial: Object, existing: Object, era: Era) -> bool:
    """Whether an existing Node belongs to another machine, which 1.5 told by its externalID."""
    if not era.external_id:
        return False
    return bool(existing["spec"].get("externalID") != initial["spec"].get("externalID"))


def adopted(initial: Object, existing: Object, era: Era) -> Object:
    """An existing Node with the few things restored that belong to the kubelet; a new object.

    Taints, other labels, spec and foreign conditions are the operator's and stay.
    """
    node = dict(existing)
    node["metadata"] = dict(existing["metadata"])
    _restore_annotation(node["metadata"], initial["metadata"])
    if era.reconciles_labels:
        restore_labels(node["metadata"], initial["metadata"]["labels"], DEFAULT_LABELS)
    if era.ephemeral_storage:
        _drop_old_hugepages(node, initial)
    return node


def restore_labels(metadata: Object, wanted: Object, names: tuple[str, ...]) -> None:
    """Sets the named labels to the values this kubelet has for them."""
    labels = dict(metadata.get("labels") or {})
    labels.update({name: wanted[name] for name in names if name in wanted})
    if labels:
        metadata["labels"] = labels


class Registrar:
    """Registers one node.

    Args:
        client: the API.
        clock: for back-off.
        era: rules of the kubelet's generation.
        build: makes the Node to register, anew for each try.
    """

    def __init__(self, client: Client, clock: Clock, era: Era, build: Callable[[], Object]) -> None:
        self._client = client
        self._clock = clock
        self._era = era
        self._build = build

    async def register(self) -> bool:
        """Tries until the Node exists; True when it was created, False when it was adopted."""
        delay = _FIRST_DELAY
        while True:
            await self._clock.sleep(delay)
            delay = next_delay(delay)
            try:
                created = await self.attempt()
            except (ApiError, Unreachable) as error:
                log.info("registration failed: %s; next try in %gs", error, delay)
            else:
                if created is not None:
                    return created

    async def attempt(self) -> bool | None:
        """One try: True created, False adopted, None when a foreign Node was removed and the next try creates ours.

        Raises:
            ApiError: the master refused.
            Unreachable: the master did not answer.
        """
        initial = self._build()
        try:
            await self._client.create(NODES, initial)
        except ApiError as error:
            if not must_adopt(error, self._era):
                raise
        else:
            return True
        return await self.adopt(initial)

    async def adopt(self, initial: Object) -> bool | None:
        """Takes over the existing Node."""
        name = initial["metadata"]["name"]
        existing = await self._client.get(NODES, name)
        if is_foreign(initial, existing, self._era):
            log.warning("node %s has another externalID; deleting it", name)
            await self._client.delete(NODES, name)
            return None
        log.info("node %s was registered before", name)
        patch = node_patch(existing, adopted(initial, existing, self._era))
        if patch:
            await self._client.patch(NODES, name, patch, subresource="status")
        return False


def node_patch(old: Object, new: Object) -> Object:
    """The patch of the status subresource that turns one Node into another; it never touches the spec."""
    patch: Object = {}
    metadata = strategic.diff(old["metadata"], new["metadata"])
    if metadata:
        patch["metadata"] = metadata
    status = strategic.status_patch(old.get("status") or {}, new.get("status") or {})
    if status:
        patch["status"] = status
    return patch


def _restore_annotation(metadata: Object, initial: Object) -> None:
    wanted = (initial.get("annotations") or {}).get(ATTACH_DETACH_ANNOTATION)
    annotations = dict(metadata.get("annotations") or {})
    if annotations.get(ATTACH_DETACH_ANNOTATION) == wanted:
        return
    if wanted is None:
        del annotations[ATTACH_DETACH_ANNOTATION]
    else:
        annotations[ATTACH_DETACH_ANNOTATION] = wanted
    metadata["annotations"] = annotations


def _drop_old_hugepages(node: Object, initial: Object) -> None:
    """Page sizes the machine no longer supports leave capacity and allocatable; those it has are corrected."""
    status = dict(node.get("status") or {})
    for field in ("capacity", "allocatable"):
        wanted = initial["status"].get(field) or {}
        known = status.get(field) or {}
        kept = {name: text for name, text in known.items() if not resources.is_hugepages(name) or name in wanted}
        for name, text in wanted.items():
            if resources.is_hugepages(name) and (name not in kept or quantity.compare(kept[name], text)):
                kept[name] = text
        if kept != known:
            status[field] = kept
    node["status"] = status
