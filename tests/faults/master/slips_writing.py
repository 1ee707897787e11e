"""Slips of the pen in writes: rehearsals, directives of patches, unknown fields, what cannot be undone."""

from __future__ import annotations

import asyncio

import attrs

from refimpl.api.patch import strategic
from refimpl.api.schema import Field
from refimpl.apiserver.kinds import metadata
from refimpl.apiserver.kinds.pods import Pods
from refimpl.apiserver.verbs import create, delete, update, writeoptions
from refimpl.apiserver.verbs.writeoptions import WriteOptions
from refimpl.storage.memory import MemoryStore
from tests.faults.harness import Fault, replaced, slip, together

_delete_with = delete.delete_with
_field = strategic._field
_store = MemoryStore.write
_KEPT = '"ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"'
_FREE = replaced(metadata, "_FIXED", tuple(key for key in metadata._FIXED if not key.startswith("deletion")))


async def _evictions_are_no_rehearsals(call, options, *, admitted=False):
    options = attrs.evolve(options, dry_run=options.dry_run and not admitted)
    return await _delete_with(call, options, admitted=admitted)


def _keyed_taints(kind, key):
    field = _field(kind, key)
    if key != "taints" or not isinstance(field, Field):
        return field
    return attrs.evolve(field, strategies=("merge",), merge_key="key")


async def _whoever_comes_last(self, key, value, expected):
    await asyncio.sleep(0)
    found = self._state.current.get(key)
    return await _store(self, key, value, found.revision if found is not None and expected else expected)


FAULTS = [
    Fault("the last writer wins", ids=("M-API-21",), patch=replaced(MemoryStore, "write", _whoever_comes_last)),
    Fault(
        "Leases may be stale",
        ids=("M-API-07",),
        patch=slip(
            update,
            "check_version",
            "elif int(given) != entry.revision:",
            'elif target.resource.kind != "Lease" and int(given) != entry.revision:',
        ),
    ),
    Fault(
        "rehearsed creations create",
        ids=("M-API-17",),
        patch=slip(create, "store_new", "if dry_run:", "if False:"),
    ),
    Fault(
        "rehearsed changes change",
        ids=("M-API-17",),
        patch=slip(update, "store", "if ctx.dry_run:\n        return Answer(200, obj=new)\n    if is", "if is"),
    ),
    Fault("rehearsed deletions delete", ids=("M-API-17",), patch=slip(delete, "_keep", "if ctx.dry_run:", "if False:")),
    Fault(
        "rehearsed ends end",
        ids=("M-API-17",),
        patch=slip(delete, "_mark_and_remove", "if not ctx.dry_run:", "if True:"),
    ),
    Fault(
        "rehearsed evictions evict",
        ids=("M-API-17",),
        patch=replaced(delete, "delete_with", _evictions_are_no_rehearsals),
    ),
    Fault(
        "nothing is rehearsed",
        ids=("M-API-17",),
        patch=slip(writeoptions, "_of", "if causes:", "if causes or dry_run:"),
    ),
    Fault(
        "no item of a list goes",
        ids=("M-API-18",),
        patch=slip(
            strategic,
            "_after_directives",
            "kept = [each for each in kept if each.get(merge_key) != unwanted]",
            "pass",
        ),
    ),
    Fault(
        "no list is replaced that merges",
        ids=("M-API-18",),
        patch=slip(strategic, "_merge_items", 'if any(item[PATCH] == "replace" for item in directives):', "if False:"),
    ),
    Fault(
        "an order is all of a list",
        ids=("M-API-18",),
        patch=slip(strategic, "_merge_ordered_lists", "items = _merged_list(kind, name, old, new)", "items = new"),
    ),
    Fault("taints are merged by their keys", ids=("M-API-18",), patch=replaced(strategic, "_field", _keyed_taints)),
    Fault(
        "unknown fields are refused",
        ids=("M-API-19",),
        patch=replaced(writeoptions, "_DEFAULT", WriteOptions(field_validation="Strict")),
    ),
    Fault(
        "patches give another uid",
        ids=("M-API-08",),
        patch=replaced(metadata, "_FIXED", tuple(key for key in metadata._FIXED if key != "uid")),
    ),
    Fault(
        "a pod's status brings owners",
        ids=("M-API-02",),
        patch=slip(Pods, "prepare_for_status_update", '"ownerReferences", ', ""),
    ),
    Fault(
        "writes undo deletions",
        ids=("M-TERM-07",),
        patch=together(replaced(update, "_NEVER_REMOVED", ("uid",)), _FREE),
    ),
    Fault(
        "reports of a status undo deletions",
        ids=("M-TERM-07",),
        patch=together(
            slip(Pods, "prepare_for_status_update", _KEPT, '"ownerReferences"'),
            slip(
                update,
                "keep_metadata",
                "for field in _NEVER_REMOVED:",
                "for field in () if call.target.subresource else _NEVER_REMOVED:",
            ),
            _FREE,
        ),
    ),
    Fault("finalizers come late", ids=("M-TERM-07",), patch=replaced(metadata, "_new_finalizer_causes", lambda *_: ())),
]
