"""What is wrong with probes and life-cycle hooks.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, numbers

ONE_HANDLER: Final = "may not specify more than 1 handler type"
HEADER_NAME: Final = (
    "a valid HTTP header must consist of alphanumeric characters or '-' "
    "(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
)


def probe_causes(probe: Object | None, path: str, *, readiness: bool = False) -> Iterable[Cause]:
    """Rules for a probe.

    Args:
        probe: the probe; None is none.
        path: of the field.
        readiness: only such a probe may count several successes, and it has no grace period.
    """
    if probe is None:
        return
    yield from handler_causes(probe, path, ("exec", "httpGet", "tcpSocket", "grpc"))
    for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        yield from numbers.not_negative(probe.get(key), f"{path}.{key}")
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and readiness:
        yield causes.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")
    elif grace is not None and grace <= 0:
        yield causes.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if not readiness and probe.get("successThreshold") != 1:
        yield causes.invalid(f"{path}.successThreshold", probe.get("successThreshold", 0), "must be 1")


def lifecycle_causes(lifecycle: Object | None, path: str) -> Iterable[Cause]:
    """Rules for life-cycle hooks."""
    for key in ("postStart", "preStop"):
        hook = (lifecycle or {}).get(key)
        if hook is not None:
            yield from handler_causes(hook, f"{path}.{key}", ("exec", "httpGet", "tcpSocket", "sleep"))


def handler_causes(handler: Object, path: str, kinds: tuple[str, ...]) -> Iterable[Cause]:
    """Exactly one thing is done, and it can be done."""
    given = [kind for kind in kinds if handler.get(kind) is not None]
    for kind in given[1:]:
        yield causes.forbidden(f"{path}.{kind}", ONE_HANDLER)
    if not given:
        yield causes.required(path, "must specify a handler type")
        return
    yield from _action_causes(given[0], handler[given[0]], f"{path}.{given[0]}")


def _action_causes(kind: str, action: Object, path: str) -> Iterable[Cause]:
    match kind:
        case "exec":
            if not action.get("command"):
                yield causes.required(f"{path}.command")
        case "httpGet":
            yield from _http_causes(action, path)
        case "tcpSocket":
            yield from numbers.port_or_name(action.get("port"), f"{path}.port")
        case "grpc":
            yield from numbers.port(action.get("port", 0), f"{path}.port")
        case _:
            seconds = action.get("seconds", 0)
            if seconds < 0:
                yield causes.invalid(f"{path}.seconds", seconds, "must be greater than or equal to 0")


def _http_causes(action: Object, path: str) -> Iterable[Cause]:
    if not action.get("path"):
        yield causes.required(f"{path}.path")
    yield from numbers.port_or_name(action.get("port"), f"{path}.port")
    if action.get("scheme") not in {"HTTP", "HTTPS"}:
        yield causes.not_supported(f"{path}.scheme", action.get("scheme", ""), ("HTTP", "HTTPS"))
    for header in action.get("httpHeaders") or []:
        if not re.fullmatch("[-A-Za-z0-9]+", header.get("name", "")):
            yield causes.invalid(f"{path}.httpHeaders", header.get("name", ""), HEADER_NAME)
