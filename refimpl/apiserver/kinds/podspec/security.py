"""What is wrong with the security contexts of pods and containers.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, internal, numbers

MAX_SYSCTL: Final = 253

_SYSCTL: Final = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")


def pod_causes(spec: Object, path: str) -> Iterable[Cause]:
    """Rules for the security context of a pod, and for the host's namespaces that it uses."""
    if spec.get("hostNetwork"):
        yield from _host_ports_causes(spec.get("containers") or [], f"{path}.containers")
    context, here = spec.get("securityContext") or {}, f"{path}.securityContext"
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from numbers.between(context.get(key), 0, numbers.MAX_INT32, f"{here}.{key}")
    for index, group in enumerate(context.get("supplementalGroups") or []):
        yield from numbers.between(group, 0, numbers.MAX_INT32, f"{here}.supplementalGroups[{index}]")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield causes.invalid(f"{here}.shareProcessNamespace", True, why)
    policy = context.get("fsGroupChangePolicy")
    if policy not in {None, "Always", "OnRootMismatch"}:
        yield causes.not_supported(f"{here}.fsGroupChangePolicy", policy, ("Always", "OnRootMismatch"))
    yield from _sysctl_causes(context.get("sysctls") or [], f"{here}.sysctls")
    yield from _seccomp_causes(context.get("seccompProfile"), f"{here}.seccompProfile")


def _sysctl_causes(sysctls: list[Object], path: str) -> Iterable[Cause]:
    taken: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        here, name = f"{path}[{index}].name", sysctl.get("name", "")
        if not name:
            yield causes.required(here)
        elif len(name) > MAX_SYSCTL or _SYSCTL.fullmatch(name) is None:
            why = f"must have at most {MAX_SYSCTL} characters and match regex {_SYSCTL.pattern}"
            yield causes.invalid(here, name, why)
        elif name in taken:
            yield causes.duplicate(here, name)
        taken.add(name)


def _host_ports_causes(containers: list[Object], path: str) -> Iterable[Cause]:
    for number, container in enumerate(containers):
        for index, port in enumerate(container.get("ports") or []):
            given = port.get("hostPort", 0)
            if given and given != port.get("containerPort", 0):
                why = "must match `containerPort` when `hostNetwork` is true"
                yield causes.invalid(f"{path}[{number}].ports[{index}].hostPort", given, why)


def container_causes(context: Object | None, path: str) -> Iterable[Cause]:
    """Rules for the security context of a container."""
    context = context or {}
    for key in ("runAsUser", "runAsGroup"):
        yield from numbers.between(context.get(key), 0, numbers.MAX_INT32, f"{path}.{key}")
    if context.get("procMount") not in {None, "Default", "Unmasked"}:
        yield causes.not_supported(f"{path}.procMount", context["procMount"], ("Default", "Unmasked"))
    yield from _seccomp_causes(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is not False:
        return
    if context.get("privileged"):
        why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield causes.invalid(path, internal.shown("SecurityContext", context), why)
    if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or []):
        why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        yield causes.invalid(path, internal.shown("SecurityContext", context), why)


def _seccomp_causes(profile: Object | None, path: str) -> Iterable[Cause]:
    if profile is None:
        return
    sort, file = profile.get("type", ""), profile.get("localhostProfile")
    if not sort:
        yield causes.required(f"{path}.type", "type is required when seccompProfile is set")
    elif sort == "Localhost" and not file:
        yield causes.required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
    elif sort != "Localhost" and file is not None:
        shown = internal.shown("SeccompProfile", profile)
        yield causes.invalid(f"{path}.localhostProfile", shown, "can only be set when seccomp type is Localhost")
    if sort not in {"", "Localhost", "RuntimeDefault", "Unconfined"}:
        yield causes.not_supported(f"{path}.type", sort, ("Localhost", "RuntimeDefault", "Unconfined"))
