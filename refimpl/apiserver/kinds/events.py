"""Events: one kind, kept as core/v1 and seen through two groups.

Source: kube-apiserver 1.36 `pkg/apis/{core/validation,events}`, `pkg/registry/core/event`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

import attrs

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.api.resources import EVENTS, Resource
from refimpl.apiserver.kinds import causes, metadata, printing
from refimpl.apiserver.kinds.kind import NAMESPACED_LABELS, Kind
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

MAX_NOTE: Final = 1024
MAX_WORD: Final = 128
NO_MATCH: Final = "does not match event.namespace"

_ALWAYS_THERE: Final[Object] = {
    "involvedObject": {},
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}
_INVOLVED: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_FIXED: Final = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingController",
    "reportingInstance",
)

# events.k8s.io name -> core name, where they differ
_RENAMED: Final = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_RENAMED_BACK: Final = {core: new for new, core in _RENAMED.items()}


def source(event: Object) -> str:
    """The component that reports, under its old or its new name."""
    return str((event.get("source") or {}).get("component") or event.get("reportingComponent", ""))


def last_seen(event: Object, clock: Clock) -> str:
    """Since the last occurrence."""
    series = event.get("series")
    if series is not None:
        return printing.since(series.get("lastObservedTime"), clock.now())
    stamp = event.get("lastTimestamp")
    return printing.since(stamp, clock.now()) if stamp else first_seen(event, clock)


def first_seen(event: Object, clock: Clock) -> str:
    """Since the first occurrence."""
    return printing.since(event.get("firstTimestamp") or event.get("eventTime"), clock.now())


def count(event: Object, _clock: Clock) -> int:
    """How often; a series counts what came after its first event."""
    series = event.get("series")
    return int(series.get("count", 0)) + 1 if series is not None else int(event.get("count") or 1)


def target(event: Object, _clock: Clock) -> str:
    """`kind/name` of the object."""
    about = event.get("involvedObject") or {}
    kind, name = about.get("kind", "").lower(), about.get("name", "")
    return f"{kind}/{name}" if name else kind


def reporter(event: Object, _clock: Clock) -> str:
    """`component, host`."""
    host = (event.get("source") or {}).get("host") or event.get("reportingInstance", "")
    return f"{source(event)}, {host}" if host else source(event)


COLUMNS: Final = (
    Column("Last Seen", last_seen, documents="lastTimestamp"),
    Column("Type", printing.field("type"), documents="type"),
    Column("Reason", printing.field("reason"), documents="reason"),
    Column("Object", target, documents="involvedObject"),
    Column("Subobject", printing.field("involvedObject.fieldPath"), documents="involvedObject.fieldPath", priority=1),
    Column("Source", reporter, documents="source", priority=1),
    Column("Message", lambda event, _: str(event.get("message", "")).strip(), documents="message"),
    Column("First Seen", first_seen, documents="firstTimestamp", priority=1),
    Column("Count", count, documents="count", priority=1),
    Column("Name", printing.name, format="name", documents="metadata.name", priority=1),
)


def _of_core(column: Column) -> Column:
    """The same column for the view: its cell is made from the form in which events are kept."""
    return attrs.evolve(column, cell=lambda event, clock: column.cell(to_core(event), clock))


class Events(Kind):
    """Behaviour of core/v1 Event, the form in which events are kept."""

    notes_owners: ClassVar[bool] = False
    create_on_update: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {
        **NAMESPACED_LABELS,
        **{f"involvedObject.{key}": FieldLabel(f"involvedObject.{key}") for key in _INVOLVED},
        "reason": FieldLabel("reason"),
        "reportingComponent": FieldLabel("reportingComponent"),
        "source": source,
        "type": FieldLabel("type"),
    }
    columns: ClassVar[tuple[Column, ...] | None] = COLUMNS

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        for key, value in _ALWAYS_THERE.items():
            if obj.get(key) is None:
                obj[key] = {} if value == {} else value

    def name_problems(self, name: str) -> Iterable[str]:
        """Old clients made names out of anything that a URL can hold."""
        return ()

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return event_causes(obj)

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return event_causes(new)


class EventsV1(Kind):
    """Behaviour of events.k8s.io/v1 Event: stricter, and only a view."""

    notes_owners: ClassVar[bool] = False
    stored_as: ClassVar[Resource | None] = EVENTS
    create_on_update: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {
        key: getter for key, getter in Events.fields.items() if not key.startswith("involvedObject.")
    }
    field_aliases: ClassVar[dict[str, str]] = {
        **{f"regarding.{key}": f"involvedObject.{key}" for key in _INVOLVED},
        "reportingController": "reportingComponent",
    }
    columns: ClassVar[tuple[Column, ...] | None] = tuple(_of_core(column) for column in COLUMNS)

    def to_stored(self, obj: Object) -> Object:
        """See `Strategy`."""
        return to_core(obj)

    def from_stored(self, obj: Object) -> Object:
        """See `Strategy`."""
        return from_core(obj)

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        for key in ("regarding", "deprecatedSource"):
            obj[key] = obj.get(key) or {}
        for key in ("eventTime", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"):
            obj.setdefault(key, None)

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        event = to_core(obj)
        yield from event_causes(event)
        yield from metadata.object_causes(event, True, names.dns1123_subdomain)
        yield from series_causes(event.get("series"))
        yield from _complete_causes(event)

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        before, after = to_core(old), to_core(new)
        yield from event_causes(after)
        yield from metadata.kind_change_causes(before, after)
        if before.get("series") != after.get("series"):
            yield from series_causes(after.get("series"))
        for path in _FIXED:
            key = _RENAMED.get(path, path)
            yield from causes.immutable(path, before.get(key), after.get(key))


def to_core(event: Object) -> Object:
    """An events.k8s.io/v1 event as core/v1 shows it."""
    core = {_RENAMED.get(key, key): value for key, value in event.items()}
    core.update({"kind": "Event", "apiVersion": "v1"})
    Events().default(core)
    return core


def from_core(event: Object) -> Object:
    """A core/v1 event as events.k8s.io/v1 shows it."""
    shown = {_RENAMED_BACK.get(key, key): value for key, value in event.items()}
    shown.update({"kind": "Event", "apiVersion": "events.k8s.io/v1"})
    for key in ("reportingController", "reportingInstance"):
        if not shown.get(key):
            shown.pop(key, None)
    return shown


def event_causes(event: Object) -> Iterable[Cause]:
    """Rules for events of both groups."""
    namespace = event["metadata"].get("namespace", "")
    about = (event.get("involvedObject") or {}).get("namespace", "")
    if event.get("eventTime"):
        if not about and namespace not in {"default", "kube-system"}:
            yield causes.invalid("involvedObject.namespace", about, NO_MATCH)
        yield from _reported_causes(event)
    elif about != namespace and (about or namespace not in {"", "default"}):
        yield causes.invalid("involvedObject.namespace", about, NO_MATCH)


def _reported_causes(event: Object) -> Iterable[Cause]:
    controller = event.get("reportingComponent", "")
    if not controller:
        yield causes.required("reportingController")
    for why in names.qualified_name(controller):
        yield causes.invalid("reportingController", controller, why)
    for key in ("reportingInstance", "action", "reason"):
        value = event.get(key) or ""
        if not value:
            yield causes.required(key)
        if len(value.encode()) > MAX_WORD:
            yield causes.invalid(key, "", f"can have at most {MAX_WORD} characters")
    if len((event.get("message") or "").encode()) > MAX_NOTE:
        yield causes.invalid("message", "", f"can have at most {MAX_NOTE} characters")


def series_causes(series: Object | None) -> Iterable[Cause]:
    """Rules for a series."""
    if series is None:
        return
    if series.get("count", 0) < 2:
        yield causes.invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield causes.required("series.lastObservedTime")


def _complete_causes(event: Object) -> Iterable[Cause]:
    """The new group demands what the old one only allows, and refuses what it replaces."""
    if not event.get("eventTime"):
        yield causes.required("eventTime")
    kind = event.get("type", "")
    if kind not in {"Normal", "Warning"}:
        yield causes.invalid("type", "", f"has invalid value: {kind}")
    for key in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if event.get(key):
            yield causes.invalid(key, "", "needs to be unset")
