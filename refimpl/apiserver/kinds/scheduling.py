"""PriorityClasses and RuntimeClasses: what a pod may name in its spec.

Source: kube-apiserver 1.36 `pkg/apis/{scheduling,node}`, `pkg/registry/{scheduling,node}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, metadata, printing, quantities
from refimpl.apiserver.kinds.kind import Kind
from refimpl.apiserver.kinds.podspec.scheduling import toleration_causes
from refimpl.apiserver.strategy import Column, Context

MAX_PRIORITY: Final = 1_000_000_000
SYSTEM_PREFIX: Final = "system-"
SYSTEM_CLASSES: Final = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
POLICIES: Final = ("PreemptLowerPriority", "Never")


class PriorityClasses(Kind):
    """Behaviour of PriorityClass."""

    has_generation: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Value", printing.field("value", 0), type="integer", documents="value"),
        Column("Global-Default", printing.field("globalDefault", False), type="boolean", documents="globalDefault"),
        printing.AGE,
        Column("PreemptionPolicy", printing.field("preemptionPolicy"), documents="preemptionPolicy"),
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        obj.setdefault("value", 0)
        if obj.get("preemptionPolicy") is None:
            obj["preemptionPolicy"] = "PreemptLowerPriority"

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
        if name.startswith(SYSTEM_PREFIX):
            yield from _system_causes(obj, name)
        elif value > MAX_PRIORITY:
            why = f"maximum allowed value of a user defined priority is {MAX_PRIORITY}"
            yield causes.forbidden("value", why)
        if obj.get("preemptionPolicy") not in POLICIES:
            yield causes.not_supported("preemptionPolicy", obj["preemptionPolicy"], POLICIES)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        if old.get("value", 0) != new.get("value", 0):
            yield causes.forbidden("value", "may not be changed in an update.")
        yield from causes.immutable("preemptionPolicy", old.get("preemptionPolicy"), new.get("preemptionPolicy"))

    def counted(self, obj: Object) -> object:
        """Nothing in it is counted: the generation stays 1."""
        return None


def _system_causes(obj: Object, name: str) -> Iterable[Cause]:
    known = SYSTEM_CLASSES.get(name)
    if known is None:
        wrong = f"{name} is not a known system priority class"
    elif known != obj.get("value", 0):
        wrong = f"value of {name} PriorityClass must be {known}"
    else:
        return
    why = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {wrong}"
    yield causes.forbidden("metadata.name", why)


class RuntimeClasses(Kind):
    """Behaviour of RuntimeClass."""

    create_on_update: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Handler", printing.field("handler"), documents="handler"),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        quantities.canonicalize(obj.get("overhead") or {}, "podFixed")

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        for why in names.dns1123_label(obj.get("handler", "")):
            yield causes.invalid("handler", obj.get("handler", ""), why)
        fixed = (obj.get("overhead") or {}).get("podFixed")
        yield from quantities.list_causes(fixed, "overhead.podFixed")
        scheduling = obj.get("scheduling") or {}
        yield from metadata.label_causes(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
        yield from toleration_causes(scheduling.get("tolerations") or [], "scheduling.tolerations")

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return causes.immutable("handler", old.get("handler"), new.get("handler"))
