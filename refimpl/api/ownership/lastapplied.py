"""The note that kubectl keeps of what it applied on its own, and how it hands over to the server.

Whoever applies as `kubectl` takes what the note says from whoever owns it, as long as it has not been changed since;
and the note is kept up to date, so that kubectl can go back.

Source: apimachinery 1.36 `util/managedfields/internal` (`lastappliedmanager.go`, `lastappliedupdater.go`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from refimpl.api.errors import Object
from refimpl.api.ownership import fieldsets, objects
from refimpl.api.ownership.fieldsets import FieldSet
from refimpl.api.ownership.shapes import Shape

MANAGER: Final = "kubectl"
ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"


def fields(shape: Shape, live: Object) -> FieldSet:
    """The fields that the note names and that still are as it says."""
    text = (live["metadata"].get("annotations") or {}).get(ANNOTATION)
    if not text:
        return fieldsets.NOTHING
    try:
        noted = msgspec.json.decode(text, type=dict)
    except msgspec.DecodeError:
        return fieldsets.NOTHING
    change = objects.difference(shape, live, noted)
    return objects.fields(shape, noted) - change.written - change.removed


def renew(obj: Object, config: Object) -> None:
    """Brings the note of an object up to date, if it has one."""
    annotations = obj["metadata"].get("annotations") or {}
    if ANNOTATION not in annotations:
        return
    metadata = dict(config.get("metadata") or {})
    kept = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key != ANNOTATION}
    noted = {**config, "metadata": {**metadata, "annotations": kept} if kept else metadata}
    text = msgspec.json.encode(noted, order="sorted").decode() + "\n"
    obj["metadata"]["annotations"] = {**annotations, ANNOTATION: text}
