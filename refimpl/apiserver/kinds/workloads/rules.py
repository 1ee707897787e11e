"""Rules that the kinds with a pod template share.

Source: kube-apiserver 1.36 `pkg/apis/{core,apps}/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from refimpl.api import meta
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, labelselectors, numbers
from refimpl.apiserver.kinds.podspec.validation import template_causes

NO_MATCH = "`selector` does not match template `labels`"
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def selector_causes(selector: Object | None, empty: str) -> Iterable[Cause]:
    """Rules for `spec.selector` of kinds that need one.

    Args:
        selector: the LabelSelector; None when it is missing.
        empty: kind named by the text about an empty selector.
    """
    if selector is None:
        yield causes.required("spec.selector")
        return
    yield from labelselectors.label_selector_causes(selector, "spec.selector")
    yield from empty_selector_causes(selector, empty)


def empty_selector_causes(selector: Object | None, empty: str) -> Iterable[Cause]:
    """A selector selects something."""
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield causes.invalid("spec.selector", selector, f"empty selector is invalid for {empty}")


def match_causes(selector: Object | None, template: Object) -> Iterable[Cause]:
    """The template's pods are selected; the empty selector, complained of elsewhere, selects all."""
    labels, parsed = meta.labels(template), labelselectors.parsed(selector)
    if parsed is not None and not parsed.matches(labels):
        yield causes.invalid("spec.template.metadata.labels", labels or None, NO_MATCH)


def selected_template_causes(selector: Object | None, template: Object, kind: str) -> Iterable[Cause]:
    """Rules for the template of pods that run for ever; it is not looked into under a selector without meaning.

    Args:
        selector: the LabelSelector of the object.
        template: its pod template.
        kind: how texts call the kind.
    """
    if labelselectors.parsed(selector) is None:
        yield causes.invalid("spec.selector", selector, "invalid label selector")
        return
    yield from match_causes(selector, template)
    yield from always_running_causes(template, kind)


def always_running_causes(template: Object, kind: str) -> Iterable[Cause]:
    """Rules for a template whose pods run for ever."""
    yield from template_causes(template, "spec.template")
    spec = template.get("spec") or {}
    policy = spec.get("restartPolicy", "")
    if policy != "Always":
        yield causes.not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {kind} is not Supported"
        yield causes.forbidden("spec.template.spec.activeDeadlineSeconds", why)


def not_negative_causes(parent: Object, path: str, *keys: str) -> Iterable[Cause]:
    """Several numbers are at least zero."""
    for key in keys:
        yield from numbers.not_negative(parent.get(key), f"{path}.{key}")


def amount_causes(value: int | str | None, path: str) -> Iterable[Cause]:
    """A count or a percentage."""
    if isinstance(value, str):
        if not re.fullmatch("[0-9]+%", value):
            yield causes.invalid(path, value, PERCENT)
    else:
        yield from numbers.not_negative(value, path)


def at_most_all_causes(value: int | str | None, path: str) -> Iterable[Cause]:
    """A percentage is at most 100."""
    if isinstance(value, str) and re.fullmatch("[0-9]+%", value) and int(value[:-1]) > 100:
        yield causes.invalid(path, value, "must not be greater than 100%")


def is_zero(value: int | str | None) -> bool:
    """Whether a count or percentage is nothing."""
    return value in {None, 0} or (isinstance(value, str) and re.fullmatch("0+%", value) is not None)


REPLICA_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas")


def replica_status_causes(status: Object) -> Iterable[Cause]:
    """Rules for the counters in the status of a ReplicationController or ReplicaSet."""
    yield from not_negative_causes(status, "status", *REPLICA_COUNTS, "observedGeneration")
    total = status.get("replicas", 0)
    for key in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if status.get(key, 0) > total:
            yield causes.invalid(f"status.{key}", status.get(key, 0), "cannot be greater than status.replicas")
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        why = "cannot be greater than readyReplicas"
        yield causes.invalid("status.availableReplicas", status.get("availableReplicas", 0), why)
