"""Pods in Docker's words: what a container is created from, and what an inspected one says. Pure functions.

Names and labels are those of the kubelet's dockershim, so that people and tools find what they know. Source: kubelet
1.20 `dockershim/naming.go`, `helpers.go`, `docker_container.go`, `cm/helpers_linux.go` (`MilliCPUToShares`,
`MilliCPUToQuota`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from refimpl.api import quantity
from refimpl.api.errors import Object
from refimpl.clock import parse_time
from refimpl.kubelet import podspec
from refimpl.kubelet.runtime.base import Container, Image, Sandbox
from refimpl.kubelet.runtime.environment import expand

POD_NAME: Final = "io.kubernetes.pod.name"
POD_NAMESPACE: Final = "io.kubernetes.pod.namespace"
POD_UID: Final = "io.kubernetes.pod.uid"
CONTAINER_NAME: Final = "io.kubernetes.container.name"
SANDBOX_ID: Final = "io.kubernetes.sandbox.id"
TYPE: Final = "io.kubernetes.docker.type"
RESTART_COUNT: Final = "annotation.io.kubernetes.container.restartCount"
GRACE: Final = "annotation.io.kubernetes.pod.terminationGracePeriod"
NODE: Final = "node-contract.io/node"
"""Whose it is: several nodes may share one engine."""
HOST_IP: Final = "node-contract.io/host-ip"

CPU_PERIOD: Final = 100_000
_LEAST_SHARES: Final = 2
_LEAST_QUOTA: Final = 1000
_RUNNING: Final = ("running", "paused", "restarting")


def sandbox_body(pod: Object, node: str, image: str, network: str, host_ip: str) -> Object:
    """What a pod's sandbox is created from."""
    labels = {**_pod_labels(pod, node), TYPE: "podsandbox", CONTAINER_NAME: "POD", HOST_IP: host_ip}
    body = {
        "Image": image,
        "Labels": {**labels, GRACE: str(podspec.spec_grace(pod))},
        "HostConfig": {"NetworkMode": network, "CpuShares": _LEAST_SHARES, "IpcMode": "shareable"},
        # The program has no handler: an engine that shuts down shall not wait for it.
        "StopSignal": "SIGKILL",
    }
    if network != "host":
        body["Hostname"] = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return body


def container_body(
    pod: Object, spec: Object, attempt: int, env: Mapping[str, str], node: str, sandbox_id: str, volumes: Path
) -> Object:
    """What a container is created from.

    Args:
        pod: the pod.
        spec: the container's entry in its spec.
        attempt: how often it has been restarted.
        env: its environment, resolved.
        node: whose it is.
        sandbox_id: Docker's id of the pod's sandbox, whose network and IPC namespaces it joins.
        volumes: where the pod's `emptyDir` volumes are.
    """
    labels = {
        **_pod_labels(pod, node),
        TYPE: "container",
        CONTAINER_NAME: spec["name"],
        RESTART_COUNT: str(attempt),
        SANDBOX_ID: sandbox_id,
    }
    body: dict[str, Any] = {
        "Image": spec.get("image", ""),
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Labels": labels,
        "OpenStdin": bool(spec.get("stdin")),
        "StdinOnce": bool(spec.get("stdinOnce")),
        "Tty": bool(spec.get("tty")),
        "HostConfig": {
            "NetworkMode": f"container:{sandbox_id}",
            "IpcMode": f"container:{sandbox_id}",
            "Binds": binds(pod, spec, volumes),
            **resource_limits(spec.get("resources") or {}),
            **_privileges(spec.get("securityContext") or {}),
        },
    }
    if spec.get("command"):
        body["Entrypoint"] = [expand(word, env) for word in spec["command"]]
    if spec.get("args"):
        body["Cmd"] = [expand(word, env) for word in spec["args"]]
    if spec.get("workingDir"):
        body["WorkingDir"] = spec["workingDir"]
    user = _user(pod, spec)
    return {**body, "User": user} if user else body


def resource_limits(resources: Object) -> dict[str, int]:
    """CPU shares of the request, CPU quota and memory of the limits; a missing request is the limit."""
    limits = resources.get("limits") or {}
    requests = {**limits, **(resources.get("requests") or {})}
    found = {"CpuShares": _LEAST_SHARES}
    if "cpu" in requests:
        found["CpuShares"] = max(_LEAST_SHARES, quantity.milli_value(requests["cpu"]) * 1024 // 1000)
    if "cpu" in limits and quantity.milli_value(limits["cpu"]):
        found["CpuPeriod"] = CPU_PERIOD
        found["CpuQuota"] = max(_LEAST_QUOTA, quantity.milli_value(limits["cpu"]) * CPU_PERIOD // 1000)
    if "memory" in limits:
        found["Memory"] = found["MemorySwap"] = quantity.value(limits["memory"])
    return found


def binds(pod: Object, spec: Object, volumes: Path) -> list[str]:
    """The container's `hostPath` and `emptyDir` mounts as `SOURCE:TARGET[:ro]`; other kinds are not mounted."""
    sources = {}
    for volume in pod["spec"].get("volumes") or ():
        if "hostPath" in volume:
            sources[volume["name"]] = volume["hostPath"]["path"]
        elif "emptyDir" in volume:
            sources[volume["name"]] = str(volumes / volume["name"])
    found = []
    for mount in spec.get("volumeMounts") or ():
        if mount["name"] in sources:
            source = "/".join(part for part in (sources[mount["name"]], mount.get("subPath")) if part)
            found.append(f"{source}:{mount['mountPath']}" + (":ro" if mount.get("readOnly") else ""))
    return found


def container_name(pod: Object, name: str, attempt: int) -> str:
    """Docker's name of a container: `k8s_NAME_POD_NAMESPACE_UID_ATTEMPT`."""
    metadata = pod["metadata"]
    return f"k8s_{name}_{metadata['name']}_{metadata['namespace']}_{metadata['uid']}_{attempt}"


def container_facts(inspected: Object) -> Container | None:
    """A container as inspected; None when it was never started.

    One that Docker could not start, e.g. because its program is not there, is a run that ended with an error.
    """
    state, labels = inspected["State"], inspected["Config"]["Labels"]
    created = _moment(inspected["Created"])
    started = _moment(state.get("StartedAt")) or created
    assert started is not None
    facts = Container(
        id=inspected["Id"],
        pod_uid=labels[POD_UID],
        name=labels[CONTAINER_NAME],
        attempt=int(labels[RESTART_COUNT]),
        image=inspected["Config"]["Image"],
        state="running",
        started_at=started,
    )
    if state["Status"] in _RUNNING:
        return facts
    finished = _moment(state.get("FinishedAt"))
    if finished is None and not state["ExitCode"]:
        return None
    return attrs.evolve(
        facts,
        state="exited",
        # Docker may stamp the end of a very short run before its start.
        finished_at=max(finished or started, started),
        exit_code=state["ExitCode"],
        reason="OOMKilled" if state.get("OOMKilled") else "" if finished else "ContainerCannotRun",
        message=state.get("Error", ""),
    )


def sandbox_facts(inspected: Object) -> Sandbox:
    """A pod without its containers, from its inspected sandbox."""
    labels = inspected["Config"]["Labels"]
    attached = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    own = [network["IPAddress"] for _, network in sorted(attached.items()) if network.get("IPAddress")]
    of_host = [labels[HOST_IP]] if inspected["HostConfig"]["NetworkMode"] == "host" and labels.get(HOST_IP) else []
    return Sandbox(
        uid=labels[POD_UID],
        namespace=labels[POD_NAMESPACE],
        name=labels[POD_NAME],
        ips=tuple(own or of_host),
        grace=int(labels.get(GRACE, podspec.DEFAULT_GRACE)),
    )


def image_facts(listed: Object) -> Image:
    """An image as listed: digests first, then tags; what has neither is known by its id."""
    names = [*(listed.get("RepoDigests") or ()), *(listed.get("RepoTags") or ())]
    return Image(tuple(name for name in names if "<none>" not in name) or (listed["Id"],), listed["Size"])


def name_and_tag(image: str) -> tuple[str, str]:
    """What to pull: a name, and a tag or digest; `latest` where neither is given."""
    name, at, digest = image.partition("@")
    if at:
        return name, digest
    head, colon, tag = image.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (image, "latest")


def _pod_labels(pod: Object, node: str) -> dict[str, str]:
    metadata = pod["metadata"]
    return {
        POD_NAME: metadata["name"],
        POD_NAMESPACE: metadata["namespace"],
        POD_UID: metadata["uid"],
        NODE: node,
    }


def _privileges(context: Object) -> Object:
    capabilities = context.get("capabilities") or {}
    return {
        "Privileged": bool(context.get("privileged")),
        "ReadonlyRootfs": bool(context.get("readOnlyRootFilesystem")),
        "CapAdd": list(capabilities.get("add") or ()),
        "CapDrop": list(capabilities.get("drop") or ()),
    }


def _user(pod: Object, spec: Object) -> str:
    context = {**(pod["spec"].get("securityContext") or {}), **(spec.get("securityContext") or {})}
    user, group = context.get("runAsUser"), context.get("runAsGroup")
    if user is None:
        return ""
    return str(user) if group is None else f"{user}:{group}"


def _moment(stamp: str | None) -> datetime | None:
    """Docker's time, cut to microseconds; None for Go's zero time, which says never."""
    if not stamp or stamp.startswith("0001-"):
        return None
    seconds, _, fraction = stamp.removesuffix("Z").partition(".")
    return parse_time(f"{seconds}.{fraction[:6].ljust(6, '0')}Z")
