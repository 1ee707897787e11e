"""What is wrong with containers.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, numbers
from refimpl.apiserver.kinds.podspec import environment, handlers, resources, security

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
RUN_ONCE_HANDLERS: Final = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")


def regular_causes(containers: list[Object], volumes: set[str], path: str) -> Iterable[Cause]:
    """Rules for `containers`."""
    if not containers:
        yield causes.required(path)
    taken: set[str] = set()
    for index, container in enumerate(containers):
        here = f"{path}[{index}]"
        yield from common_causes(container, volumes, here)
        yield from _unique_name_causes(container, taken, here)
        yield from _handler_causes(container, here)
        if container.get("restartPolicy") is not None and not container.get("restartPolicyRules"):
            yield from restart_policy_causes(container["restartPolicy"], f"{here}.restartPolicy")
    yield from host_port_conflicts(containers, path)


def init_causes(containers: list[Object], regular: list[Object], volumes: set[str], path: str) -> Iterable[Cause]:
    """Rules for `initContainers`; one that is always restarted (a sidecar) may have what regular ones have."""
    taken = {container.get("name", "") for container in regular}
    for index, container in enumerate(containers):
        here = f"{path}[{index}]"
        yield from common_causes(container, volumes, here)
        policy = container.get("restartPolicy")
        if policy is not None:
            yield from restart_policy_causes(policy, f"{here}.restartPolicy")
        yield from _unique_name_causes(container, taken, here)
        yield from host_port_conflicts([container], path)
        if policy == "Always":
            yield from _handler_causes(container, here)
            continue
        for key in RUN_ONCE_HANDLERS:
            if container.get(key) is not None:
                yield causes.forbidden(
                    f"{here}.{key}", "may not be set for init containers without restartPolicy=Always"
                )


def ephemeral_causes(containers: list[Object], others: set[str], volumes: set[str], path: str) -> Iterable[Cause]:
    """Rules for `ephemeralContainers`, which come to look at a running pod and ask for nothing.

    Args:
        containers: the list.
        others: names of the pod's other containers.
        volumes: names of the pod's volumes.
        path: of the list.
    """
    taken = set(others)
    for index, container in enumerate(containers):
        here = f"{path}[{index}]"
        yield from common_causes(container, volumes, here)
        yield from _unique_name_causes(container, taken, here)
        for key in (*RUN_ONCE_HANDLERS, "ports", "resources"):
            if container.get(key):
                yield causes.forbidden(f"{here}.{key}", "cannot be set for an Ephemeral Container")
        target = container.get("targetContainerName", "")
        if target and target not in others:
            yield causes.not_found(f"{here}.targetContainerName", target)


def restart_policy_causes(policy: str, path: str) -> Iterable[Cause]:
    """Rules for the restart policy of a single container."""
    if policy not in {"Always", "OnFailure", "Never"}:
        yield causes.not_supported(path, policy, ("Always", "OnFailure", "Never"))


def _handler_causes(container: Object, path: str) -> Iterable[Cause]:
    yield from handlers.lifecycle_causes(container.get("lifecycle"), f"{path}.lifecycle")
    yield from handlers.probe_causes(container.get("livenessProbe"), f"{path}.livenessProbe")
    yield from handlers.probe_causes(container.get("readinessProbe"), f"{path}.readinessProbe", readiness=True)
    yield from handlers.probe_causes(container.get("startupProbe"), f"{path}.startupProbe")


def _unique_name_causes(container: Object, taken: set[str], path: str) -> Iterable[Cause]:
    name = container.get("name", "")
    if name in taken:
        yield causes.duplicate(f"{path}.name", name)
    elif name:
        taken.add(name)


def common_causes(container: Object, volumes: set[str], path: str) -> Iterable[Cause]:
    """Rules for a container of any sort.

    Args:
        container: the container.
        volumes: names of the pod's volumes.
        path: of the container.
    """
    name = container.get("name", "")
    if not name:
        yield causes.required(f"{path}.name")
    else:
        for why in names.dns1123_label(name):
            yield causes.invalid(f"{path}.name", name, why)
    if not container.get("image"):
        yield causes.required(f"{path}.image")
    policy = container.get("terminationMessagePolicy", "")
    if policy not in {"File", "FallbackToLogsOnError"}:
        yield causes.not_supported(f"{path}.terminationMessagePolicy", policy, ("File", "FallbackToLogsOnError"))
    yield from port_causes(container.get("ports") or [], f"{path}.ports")
    yield from environment.variable_causes(container.get("env") or [], f"{path}.env")
    yield from environment.sources_causes(container.get("envFrom") or [], f"{path}.envFrom")
    mounts, privileged = container.get("volumeMounts") or [], (container.get("securityContext") or {}).get("privileged")
    yield from mount_causes(mounts, volumes, f"{path}.volumeMounts", privileged=bool(privileged))
    pull_policy = container.get("imagePullPolicy", "")
    if pull_policy not in PULL_POLICIES:
        yield causes.not_supported(f"{path}.imagePullPolicy", pull_policy, PULL_POLICIES)
    yield from resources.requirement_causes(container.get("resources"), f"{path}.resources")
    yield from security.container_causes(container.get("securityContext"), f"{path}.securityContext")


def port_causes(ports: list[Object], path: str) -> Iterable[Cause]:
    """Rules for container ports."""
    taken: set[str] = set()
    for index, port in enumerate(ports):
        here, name = f"{path}[{index}]", port.get("name", "")
        wrong = list(numbers.port_name_problems(name)) if name else []
        for why in wrong:
            yield causes.invalid(f"{here}.name", name, why)
        if not wrong and name in taken:
            yield causes.duplicate(f"{here}.name", name)
        elif name:
            taken.add(name)
        yield from _port_number_causes(port, here)
        protocol = port.get("protocol", "")
        if protocol not in PROTOCOLS:
            yield causes.not_supported(f"{here}.protocol", protocol, PROTOCOLS)


def _port_number_causes(port: Object, path: str) -> Iterable[Cause]:
    number = port.get("containerPort", 0)
    if not number:
        yield causes.required(f"{path}.containerPort")
    else:
        yield from numbers.port(number, f"{path}.containerPort")
    if port.get("hostPort"):
        yield from numbers.port(port["hostPort"], f"{path}.hostPort")


def host_port_conflicts(containers: list[Object], path: str) -> Iterable[Cause]:
    """No two ports of these containers take the same port of the host."""
    taken: set[str] = set()
    for number, container in enumerate(containers):
        for index, port in enumerate(container.get("ports") or []):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in taken:
                yield causes.duplicate(f"{path}[{number}].ports[{index}].hostPort", key)
            taken.add(key)


def mount_causes(mounts: list[Object], volumes: set[str], path: str, *, privileged: bool) -> Iterable[Cause]:
    """Rules for volume mounts.

    Args:
        mounts: the list.
        volumes: names of the pod's volumes.
        path: of the list.
        privileged: whether the container is.
    """
    taken: set[str] = set()
    for index, mount in enumerate(mounts):
        here, name, target = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield causes.required(f"{here}.name")
        if name not in volumes:
            yield causes.not_found(f"{here}.name", name)
        if not target:
            yield causes.required(f"{here}.mountPath")
        if target in taken:
            yield causes.invalid(f"{here}.mountPath", target, "must be unique")
        taken.add(target)
        yield from _sub_path_causes(mount, here, path)
        propagation = mount.get("mountPropagation", "None")
        if propagation not in PROPAGATIONS:
            yield causes.not_supported(f"{path}.mountPropagation", propagation, PROPAGATIONS)
        if propagation == "Bidirectional" and not privileged:
            why = "Bidirectional mount propagation is available only to privileged containers"
            yield causes.forbidden(f"{path}.mountPropagation", why)


def _sub_path_causes(mount: Object, here: str, path: str) -> Iterable[Cause]:
    """Rules for the part of a volume that is mounted; most paths lack the index in the real server, too."""
    if mount.get("subPath") and mount.get("subPathExpr"):
        why = "subPathExpr and subPath are mutually exclusive"
        yield causes.invalid(f"{here}.subPathExpr", mount["subPathExpr"], why)
    for key in ("subPath", "subPathExpr"):
        below = mount.get(key, "")
        if below.startswith("/"):
            yield causes.invalid(f"{path}.{key}", below, "must be a relative path")
        if ".." in below.split("/"):
            yield causes.invalid(f"{path}.{key}", below, "must not contain '..'")
