"""CertificateSigningRequests: written by whoever wants a certificate, approved and signed through subresources.

Source: kube-apiserver 1.36 `pkg/apis/certificates`, `pkg/registry/certificates/certificates`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.apiserver.kinds import causes, printing
from refimpl.apiserver.kinds.kind import NAME_LABEL, Kind, keep
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

DECISIONS: Final = ("Approved", "Denied")
MIN_SECONDS: Final = 600


def state(request: Object, _clock: Clock) -> str:
    """Decision and, where it is there, the certificate."""
    status = request.get("status") or {}
    held = [condition.get("type", "") for condition in status.get("conditions") or []]
    words = ["Denied"] if "Denied" in held else ["Approved"] if "Approved" in held else ["Pending"]
    if "Failed" in held:
        words.append("Failed")
    if status.get("certificate"):
        words.append("Issued")
    return ",".join(words)


class CertificateSigningRequests(Kind):
    """Behaviour of CertificateSigningRequest."""

    has_status: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {**NAME_LABEL, "spec.signerName": FieldLabel("spec.signerName")}
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        printing.AGE,
        Column("SignerName", printing.field("spec.signerName", printing.NONE), documents="spec.signerName"),
        Column("Requestor", printing.field("spec.username"), documents="spec.request"),
        Column(
            "RequestedDuration",
            lambda obj, _: (
                printing.human_duration(seconds)
                if (seconds := obj["spec"].get("expirationSeconds")) is not None
                else printing.NONE
            ),
            documents="spec.expirationSeconds",
        ),
        Column("Condition", state, documents="status.conditions"),
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        obj.setdefault("spec", {})

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """The request notes who asks; a client cannot claim to be somebody else."""
        super().prepare_for_create(ctx, obj)
        obj["spec"]["username"] = ctx.user.name
        obj["spec"]["groups"] = list(ctx.user.groups)
        for key in ("uid", "extra"):
            obj["spec"].pop(key, None)

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        spec = obj["spec"]
        yield from _request_causes(spec.get("request") or "")
        if not spec.get("usages"):
            yield causes.required("spec.usages", "usages must be provided")
        yield from _signer_causes(spec.get("signerName", ""))
        seconds = spec.get("expirationSeconds")
        if seconds is not None and seconds < MIN_SECONDS:
            why = "may not specify a duration less than 600 seconds (10 minutes)"
            yield causes.invalid("spec.expirationSeconds", seconds, why)

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        """What was asked for stays."""
        keep(old, new, "spec", "status")

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """`approval` writes decisions, `status` writes the rest."""
        keep(old, new, "spec")
        before, after = old.get("status") or {}, new.setdefault("status", {})
        if ctx.subresource == "approval":
            keep(before, after, "certificate")
        else:
            decided = [item for item in before.get("conditions") or [] if item.get("type") in DECISIONS]
            other = [item for item in after.get("conditions") or [] if item.get("type") not in DECISIONS]
            if decided or other:
                after["conditions"] = [*decided, *other]
        _stamp_conditions(ctx, before, after)

    def validate_status_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """A decision is final, and there is only one."""
        yield from super().validate_status_update(ctx, old, new)
        before, after = old.get("status") or {}, new.get("status") or {}
        now = [condition.get("type") for condition in after.get("conditions") or []]
        for condition in before.get("conditions") or []:
            if condition.get("type") in {*DECISIONS, "Failed"} and condition.get("type") not in now:
                why = f'updates may not remove a condition of type "{condition["type"]}"'
                yield causes.forbidden("status.conditions", why)
        for index, kind in enumerate(now):
            if kind in DECISIONS and (set(DECISIONS) - {kind}) & set(now[:index]):
                why = "Approved and Denied conditions are mutually exclusive"
                yield causes.invalid(f"status.conditions[{index}].type", kind, why)
        if before.get("certificate") and before["certificate"] != after.get("certificate"):
            yield causes.forbidden("status.certificate", "updates may not set certificate content")


def _request_causes(request: str) -> Iterable[Cause]:
    """The request is PEM around a certificate request; the signer reads the rest."""
    if not base64.b64decode(request).lstrip().startswith(b"-----BEGIN CERTIFICATE REQUEST-----"):
        yield causes.invalid("spec.request", request, "PEM block type must be CERTIFICATE REQUEST")


def _signer_causes(signer: str) -> Iterable[Cause]:
    """A signer has the name of a domain, and a name within it."""
    path = "spec.signerName"
    if not signer:
        yield causes.required(path)
        return
    domain, slash, rest = signer.partition("/")
    if not slash or "/" in rest:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield causes.invalid(path, signer, why)
        return
    for why in names.dns1123_subdomain(domain):
        yield causes.invalid(path, domain, f'validating label "{domain}": {why}')
    if "." not in domain:
        yield causes.invalid(path, domain, "should be a domain with at least two segments separated by dots")
    for segment in rest.split("."):
        for why in names.dns1123_label(segment):
            yield causes.invalid(path, rest, f'validating label "{segment}": {why}')


def _stamp_conditions(ctx: Context, before: Object, after: Object) -> None:
    known = {(item.get("type"), item.get("status")) for item in before.get("conditions") or []}
    for condition in after.get("conditions") or []:
        condition["status"] = condition.get("status") or "True"
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = ctx.clock.timestamp()
        if not condition.get("lastTransitionTime") and (condition.get("type"), condition["status"]) not in known:
            condition["lastTransitionTime"] = ctx.clock.timestamp()
