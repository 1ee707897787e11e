"""What a kind may do differently: the seam between the generic verbs and the kinds with behaviour.

The generic create, update, patch and delete paths call a `Strategy` at fixed points, in this order (as
`apiserver/pkg/registry/rest` does):

    create   default -> admission -> prepare_for_create -> validate -> begin_create -> store
    update   default -> admission -> prepare_for_update -> validate_update -> begin_update -> store if changed
    status   default -> admission -> prepare_for_status_update -> validate_status_update -> store if changed
    delete   grace_period -> mark (mark_terminating) or remove, unless finalizers or holds_deletion keep the object

The rules for `metadata` are common to all kinds: the verbs put `kinds.metadata.validate_create(...)` before the causes
of `validate`, and `kinds.metadata.validate_update(...)` before those of `validate_update` and `validate_status_update`.
Other subresources that write the object itself (`finalize`, `approval`, `ephemeralcontainers`, `resize`) take the path
of status; `Context.subresource` tells which it is.

All objects are private to the request: a strategy changes them in place. A storage-only row gets the base class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Literal, Protocol

import attrs

from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.api.http import User
from refimpl.api.resources import Resource
from refimpl.apiserver.security import ALLOW_ALL, Security
from refimpl.apiserver.settings import DEFAULTS, Settings
from refimpl.clock import Clock


class Reader(Protocol):
    """Read access to stored objects, for strategies and admission. What it returns must not be changed."""

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        ...

    def fields(self, resource: Resource, name: str, namespace: str = "") -> Mapping[str, str] | None:
        """What field selectors see of one object, for a fraction of what the whole object costs; or None."""
        ...

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        """All objects, or those of one namespace."""
        ...


Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@attrs.define
class Context:
    """What a strategy or an admission step may know about the request it serves.

    Attributes:
        resource: the row of the table.
        subresource: e.g. `status`; empty for the object itself.
        operation: what is being done.
        user: who asks.
        namespace: of the request; empty for cluster-scoped resources.
        name: of the object; empty on create with generateName.
        clock: time, randomness, uids.
        reader: stored objects.
        dry_run: nothing will be stored.
        settings: what the operator chose.
        security: who may do what.
        warnings: texts for `Warning` headers; append to it (in `begin_create` and `begin_update`: refused writes have
            none).
    """

    resource: Resource
    subresource: str
    operation: Operation
    user: User
    namespace: str
    name: str
    clock: Clock
    reader: Reader
    dry_run: bool = False
    settings: Settings = DEFAULTS
    security: Security = ALLOW_ALL
    warnings: list[str] = attrs.field(factory=list)


@attrs.frozen
class Column:
    """One column of a kind's Table.

    Attributes:
        name: heading, e.g. `Status`; kubectl prints it in upper case.
        cell: the value for one object; receives the object and the clock (for ages).
        type: `string`, `integer`, `date`, ...
        format: `name` for the name column.
        description: text in the column definition.
        documents: dotted path of the field whose documentation is the description; used when `description` is empty.
        priority: 0 always shown, 1 with `-o wide`.
    """

    name: str
    cell: Callable[[Object, Clock], object]
    type: str = "string"
    format: str = ""
    description: str = ""
    documents: str = ""
    priority: int = 0


class Strategy:
    """Behaviour of one kind; this base class is that of a storage-only kind.

    Class attributes:
        has_generation: `metadata.generation` starts at 1 and grows when what `counted` returns changes.
        has_status: the main resource ignores `status` on create and update (and `status` ignores the rest).
        create_on_update: PUT of a missing object creates it.
        update_without_version: PUT may lack `metadata.resourceVersion`.
        answers_delete_with_object: DELETE answers the object, not a `Status`.
        graceful: DELETE makes the object terminating for a grace period, and even with a period of 0 marks it before it
            removes it (pods); other kinds are removed at once unless finalizers hold them.
        marked_first: the first DELETE only makes the object terminating, whatever holds it or not (namespaces).
        notes_owners: who has set which field is noted from the creation on, not only from the first apply on.
        default_propagation: what DELETE does with dependents unless told otherwise.
        stored_as: the row under which objects are kept when this row is only another view of them (events.k8s.io);
            None means the row itself. `to_stored` and `from_stored` convert.
        deprecation: text of a `Warning` header that every answered request to the kind gets; empty for none.
        fields: all that field selectors may name, with getters.
        field_aliases: other names of selectable fields (of a kind that is a view, or from old days).
        own_field_labels: the kind lists its selectable fields itself, so that an unknown one is answered with
            `field label not supported: X`; otherwise with
            `"X" is not a known field selector: only "metadata.name", "metadata.namespace"`.
        columns: all Table columns, `Name` among them; None means the default `Name, Created At`.
    """

    has_generation: ClassVar[bool] = False
    has_status: ClassVar[bool] = False
    create_on_update: ClassVar[bool] = False
    update_without_version: ClassVar[bool] = False
    answers_delete_with_object: ClassVar[bool] = False
    graceful: ClassVar[bool] = False
    marked_first: ClassVar[bool] = False
    notes_owners: ClassVar[bool] = True
    default_propagation: ClassVar[Literal["Background", "Orphan"]] = "Background"
    stored_as: ClassVar[Resource | None] = None
    deprecation: ClassVar[str] = ""
    fields: ClassVar[Mapping[str, FieldGetter]] = {
        label: FieldLabel(label) for label in ("metadata.name", "metadata.namespace")
    }
    field_aliases: ClassVar[Mapping[str, str]] = {}
    own_field_labels: ClassVar[bool] = False
    columns: ClassVar[tuple[Column, ...] | None] = None

    def default(self, obj: Object) -> None:
        """Fills in defaults, on create and on every write."""

    def default_changed(self, old: Object, new: Object) -> None:
        """Fills in defaults of an object that is to replace another; kinds may leave alone what has not changed."""
        self.default(new)

    def counted(self, obj: Object) -> object:
        """The part of an object whose change raises `metadata.generation`."""
        return obj.get("spec")

    def name_problems(self, name: str) -> Iterable[str]:
        """What is wrong with an object's name, beyond the path rule common to all kinds (no `/`, no `%`, not `..`)."""
        return ()

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """Drops or sets what a client may not choose; metadata is already complete."""

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """What is wrong with a new object; metadata rules are checked by the caller."""
        return ()

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        """Restores in `new` what an update of the main resource may not change."""

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """What is wrong with an update of the main resource."""
        return self.validate(ctx, new)

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """Restores in `new` what a status update may not change: by default everything but status."""
        for key in [key for key in new if key not in {"status", "metadata"}]:
            del new[key]
        new.update({key: value for key, value in old.items() if key not in {"status", "metadata"}})

    def validate_status_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """What is wrong with a status update."""
        return ()

    def begin_create(self, ctx: Context, obj: Object) -> None:
        """Last changes before a valid new object is stored: allocations, which may raise `ApiError`."""

    def begin_update(self, ctx: Context, old: Object, new: Object) -> None:
        """Last changes before a valid update of the main resource is stored."""

    def mark_terminating(self, ctx: Context, obj: Object) -> None:
        """What else changes in an object when it gets its `deletionTimestamp`."""

    def holds_deletion(self, obj: Object) -> bool:
        """Whether something other than `metadata.finalizers` and the grace period keeps a terminating object."""
        return False

    def to_stored(self, obj: Object) -> Object:
        """The object as row `stored_as` keeps it."""
        return obj

    def from_stored(self, obj: Object) -> Object:
        """The kept object as this row shows it; must not change its argument."""
        return obj

    def row_conditions(self, obj: Object) -> list[Object]:
        """The `conditions` of the object's row in a Table; an empty list leaves the field out."""
        return []

    def grace_period(self, obj: Object, requested: int | None) -> int:
        """Seconds to leave the object terminating; 0 removes it at once.

        Args:
            obj: the stored object.
            requested: `gracePeriodSeconds` of the request, or None.
        """
        return 0
