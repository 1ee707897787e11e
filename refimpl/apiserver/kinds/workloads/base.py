"""What the strategies of kinds with a pod template share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, metadata
from refimpl.apiserver.kinds.kind import Kind, keep
from refimpl.apiserver.kinds.podspec import defaults
from refimpl.apiserver.strategy import Context


class Workload(Kind):
    """A kind with `spec`, `status` and a pod template.

    Class attributes:
        checked_as_new: an update is checked like a new object first, and then as a change.
        selector_is_fixed: `spec.selector` may not change.
    """

    has_generation: ClassVar[bool] = True
    has_status: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    checked_as_new: ClassVar[bool] = True
    selector_is_fixed: ClassVar[bool] = True

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        spec = obj.setdefault("spec", {})
        template = spec.get("template")
        if template is not None:
            template_defaults(template)
        self.default_spec(spec)

    def default_spec(self, spec: Object) -> None:
        """Fills in what the kind itself defines."""

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return self.spec_causes(obj["spec"])

    def spec_causes(self, spec: Object) -> Iterable[Cause]:
        """What is wrong with a spec."""
        return ()

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        if self.checked_as_new:
            if old["metadata"] != new["metadata"]:
                yield from metadata.object_causes(new, True, self.name_problems)
            yield from self.spec_causes(new["spec"])
        yield from super().validate_update(ctx, old, new)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        yield from self.spec_causes(new["spec"])
        if self.selector_is_fixed:
            yield from causes.immutable("spec.selector", old["spec"].get("selector"), new["spec"].get("selector"))

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        keep(old, new, "spec")


def template_defaults(template: Object) -> None:
    """Fills in a pod template."""
    template.setdefault("metadata", {})
    defaults.set_spec_defaults(template.setdefault("spec", {}))


def default(parent: Object, **values: object) -> None:
    """Sets what is absent."""
    for key, value in values.items():
        if parent.get(key) is None:
            parent[key] = value
