"""One resource request on its way through the verbs."""

from __future__ import annotations

import attrs

from refimpl.api import schema
from refimpl.api.errors import Object, bad_request
from refimpl.api.http import Request
from refimpl.api.transient import transient
from refimpl.apiserver.content.negotiation import PLAIN, Form
from refimpl.apiserver.nodeproxy.kubelets import Kubelets, unreachable
from refimpl.apiserver.objects.registry import Registry
from refimpl.apiserver.paths import Target
from refimpl.apiserver.security import ALLOW_ALL, Security
from refimpl.apiserver.settings import DEFAULTS, Settings
from refimpl.apiserver.strategy import Context, Operation, Strategy
from refimpl.clock import Clock

_FALSE = frozenset({"0", "false"})


@attrs.define
class Call:
    """A request together with what it names and what serves it.

    Attributes:
        request: as received.
        target: what the URL names.
        strategy: behaviour of the kind.
        registry: stored objects.
        clock: time, randomness, uids.
        form: how the answer is written.
        security: who may do what.
        kubelets: the way to the nodes.
        settings: what the operator chose.
        warnings: texts for `Warning` headers of the answer.
    """

    request: Request
    target: Target
    strategy: Strategy
    registry: Registry
    clock: Clock
    form: Form = PLAIN
    security: Security = ALLOW_ALL
    kubelets: Kubelets = unreachable
    settings: Settings = DEFAULTS
    warnings: list[str] = attrs.field(factory=list)

    def context(self, operation: Operation, *, name: str | None = None, dry_run: bool = False) -> Context:
        """What strategies and admission may know."""
        target = self.target
        return Context(
            resource=target.resource,
            subresource=target.subresource,
            operation=operation,
            user=self.request.user,
            namespace=target.namespace,
            name=target.name if name is None else name,
            clock=self.clock,
            reader=self.registry,
            settings=self.settings,
            security=self.security,
            dry_run=dry_run,
            warnings=self.warnings,
        )

    def describe(self, path: str) -> str:
        """The documentation of a field of the kind that is kept; empty when there is none."""
        resource = self.strategy.stored_as or self.target.resource
        found: schema.Type | None = schema.of_kind(resource.api_version, resource.kind)
        text = ""
        for name in path.split("."):
            if not isinstance(found, schema.Struct) or name not in found.fields:
                return ""
            field = found.fields[name]
            text, found = field.description, field.type
        return text

    def flag(self, name: str) -> bool:
        """A boolean query parameter: whatever is given counts as true, also nothing, but for `false` and `0`.

        Source: apimachinery 1.36 `Convert_Slice_string_To_bool`.
        """
        return reads_as_true(self.request.parameter(name))

    def integer(self, name: str) -> int | None:
        """An integer query parameter; None when absent or empty.

        Raises:
            ApiError: 400, it is not a number.
        """
        value = self.request.parameter(name)
        if not value:
            return None
        try:
            return parse_int(value)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax') from None


def reads_as_true(value: str | None) -> bool:
    """What a boolean query parameter says; None when it is not there."""
    return value is not None and value.lower() not in _FALSE


def parse_int(text: str) -> int:
    """A decimal integer as Go reads one: no blanks, no underscores, ASCII digits.

    Raises:
        ValueError: it is none.
    """
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(text)
    return int(text)


@transient
class Answer:
    """What a verb found or made, before it is written in the form the client asked for.

    Attributes:
        status: HTTP status code.
        obj: the object; None when `item` has it.
        item: the object as encoded list item of the target's row.
        plain: the object is not of the target's kind (a Status, a Scale) and has its own kind and apiVersion.
    """

    status: int
    obj: Object | None = None
    item: bytes | None = None
    plain: bool = False


def success(target: Target, uid: str) -> Object:
    """The `Status` that most deletions answer with."""
    details: Object = {"name": target.name}
    if target.resource.group:
        details["group"] = target.resource.group
    details["kind"] = target.resource.plural
    if uid:
        details["uid"] = uid
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def done(code: int) -> Object:
    """The `Status` of an action without an object to show."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}
