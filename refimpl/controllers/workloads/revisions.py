"""ControllerRevisions: the templates a DaemonSet or StatefulSet had, so that a rollout can be told from a rest.

Source: kube-controller-manager 1.36 `controller/history`, `daemon/update.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import labels
from refimpl.api.resources import CONTROLLERREVISIONS, Resource
from refimpl.api.selectors import from_object
from refimpl.client.client import Client
from refimpl.client.informer import Informer
from refimpl.controllers.workloads import owners as ownership
from refimpl.controllers.workloads.actions import delete
from refimpl.controllers.workloads.hashing import content_hash
from refimpl.controllers.workloads.owners import controller_reference, held_and_orphans
from refimpl.controllers.workloads.podcontrol import take

HASH_LABEL = "controller-revision-hash"


@attrs.frozen
class History:
    """The revisions of one owner.

    Attributes:
        current: the revision of the present template.
        old: the others, oldest first.
    """

    current: Object
    old: tuple[Object, ...]


def snapshot(owner: Object) -> Object:
    """What a revision keeps: a patch that restores the template."""
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    """The pod template that a revision keeps."""
    return {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}


def build(owner: Object, number: int, hash_label: str = HASH_LABEL) -> Object:
    """The revision of the owner's present template.

    Args:
        owner: the DaemonSet or StatefulSet.
        number: of the revision.
        hash_label: the label of the revision that bears the hash.
    """
    template = owner["spec"]["template"]
    digest = content_hash(template, (owner.get("status") or {}).get("collisionCount"))
    metadata = owner["metadata"]
    revision: Object = {
        "apiVersion": CONTROLLERREVISIONS.api_version,
        "kind": CONTROLLERREVISIONS.kind,
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": {**labels(template), hash_label: digest},
            "ownerReferences": [controller_reference(owner)],
        },
        "data": snapshot(owner),
        "revision": number,
    }
    if metadata.get("annotations"):
        revision["metadata"]["annotations"] = metadata["annotations"]
    return revision


def number_of(revision: Object) -> int:
    """The revision's number."""
    return int(revision["revision"])


def hash_of(obj: Object) -> str:
    """The hash label of a revision or a pod; empty when it has none."""
    return labels(obj).get(HASH_LABEL, "")


def expendable(history: History, limit: int, live: Iterable[str]) -> Sequence[Object]:
    """The oldest revisions beyond `revisionHistoryLimit`; those of which pods are left stay.

    Args:
        history: of the owner.
        limit: how many old ones to keep.
        live: names or hashes of revisions in use.
    """
    used = set(live)
    excess = max(0, len(history.old) - limit)
    unused = [one for one in history.old if hash_of(one) not in used and one["metadata"]["name"] not in used]
    return unused[:excess]


async def history_of(
    client: Client, owners: Resource, owner: Object, revisions: Informer, hash_label: str = HASH_LABEL
) -> History:
    """Finds the owner's revisions; creates the current one, or gives it the highest number, where that is missing.

    Raises:
        ApiError: refused; also after a hash collision was counted in the owner's status, to be tried again.
    """
    selector = from_object(owner["spec"]["selector"])
    claims = ownership.claim(owner, selector, *held_and_orphans(revisions, owner))
    mine = sorted(await take(client, owners, CONTROLLERREVISIONS, owner, claims), key=number_of)
    wanted = snapshot(owner)
    matching = [one for one in mine if one["data"] == wanted]
    old = tuple(one for one in mine if one["data"] != wanted)
    number = max(map(number_of, old), default=0) + 1
    if not matching:
        return History(await _create(client, owners, owner, build(owner, number, hash_label)), old)
    current = matching[-1]
    for duplicate in matching[:-1]:
        await delete(client, CONTROLLERREVISIONS, duplicate)
    if number_of(current) < number:
        current = await client.update(CONTROLLERREVISIONS, {**current, "revision": number})
    return History(current, old)


async def _create(client: Client, owners: Resource, owner: Object, revision: Object) -> Object:
    metadata = revision["metadata"]
    try:
        return await client.create(CONTROLLERREVISIONS, revision)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        found = await client.get(CONTROLLERREVISIONS, metadata["name"], namespace=metadata["namespace"])
        if found["data"] == revision["data"]:
            return found
        known = owner.get("status") or {}
        counted = {**known, "collisionCount": known.get("collisionCount", 0) + 1}
        await client.update(owners, {**owner, "status": counted}, subresource="status")
        raise
