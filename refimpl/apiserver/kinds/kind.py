"""What the kinds with behaviour share."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import ClassVar

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldLabel
from refimpl.apiserver.kinds import metadata, printing
from refimpl.apiserver.strategy import Column, Context, Strategy

NAME_LABEL = {"metadata.name": FieldLabel("metadata.name")}
NAMESPACED_LABELS = {**NAME_LABEL, "metadata.namespace": FieldLabel("metadata.namespace")}


class Kind(Strategy):
    """A kind whose names are DNS subdomains and whose columns are `Name` and `Age`.

    Class attributes:
        empty_status: the status of a new object where the main resource ignores it.
    """

    columns: ClassVar[tuple[Column, ...] | None] = (printing.NAME, printing.AGE)
    empty_status: ClassVar[Object] = {}

    def name_problems(self, name: str) -> Iterable[str]:
        """See `Strategy`."""
        return names.dns1123_subdomain(name)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """See `Strategy`."""
        if self.has_status:
            obj["status"] = copy.deepcopy(self.empty_status)

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        if self.has_status:
            keep(old, new, "status")

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from metadata.kind_change_causes(old, new)
        yield from self.change_causes(old, new)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """What is wrong with a change, metadata aside."""
        return ()

    def validate_status_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from metadata.kind_change_causes(old, new)
        yield from self.status_change_causes(old, new)

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """What is wrong with a status update, metadata aside."""
        return ()


def keep(old: Object, new: Object, *keys: str) -> None:
    """Gives `new` the values, or the absence, of some keys of `old`."""
    for key in keys:
        if key in old:
            new[key] = old[key]
        else:
            new.pop(key, None)
