"""Static pods: pods from files of the node, and their mirrors in the API.

A static pod runs whatever the API says. Its mirror is only its picture there: deleted, it comes back; and when the file
goes, the pod stops and the mirror is removed.

Source: kubelet 1.36 `config/file.go`, `config/common.go`, `pod/mirror_client.go`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import PODS
from refimpl.client.client import Client
from refimpl.client.informer import Informer
from refimpl.client.transport import Unreachable
from refimpl.kubelet import podspec, resources
from refimpl.kubelet.era import Era
from refimpl.kubelet.pods.podmanager import PodManager

log = logging.getLogger(__name__)

CHECK_PERIOD: Final = 20.0
HASH: Final = "kubernetes.io/config.hash"
SOURCE: Final = "kubernetes.io/config.source"
SEEN: Final = "kubernetes.io/config.seen"


def read_pods(path: Path, node: str, now: str) -> dict[str, Object]:
    """The pods that a file, or the files of a directory, describe, by uid; what cannot be read is logged and left out.

    Args:
        path: `--pod-manifest-path`.
        node: the node's name.
        now: timestamp.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    found: dict[str, Object] = {}
    for file in files:
        if file.name.startswith(".") or not file.is_file():
            continue
        try:
            pod = static_pod(yaml.safe_load(file.read_text()), str(file), node, now)
        except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
            log.warning("static pod %s cannot be read: %s", file, error)
        else:
            found[podspec.uid_of(pod)] = pod
    return found


def static_pod(written: Object, source: str, node: str, now: str) -> Object:
    """A pod as the node runs it: bound to it, named after it, with a uid that follows from its content.

    Raises:
        KeyError: it is no pod.
    """
    text = json.dumps([node, source, written], sort_keys=True, default=str)
    uid = hashlib.sha256(text.encode()).hexdigest()[:32]
    metadata = written["metadata"]
    annotations = {**(metadata.get("annotations") or {}), HASH: uid, SOURCE: "file", SEEN: now}
    tolerations = [*(written["spec"].get("tolerations") or ()), {"operator": "Exists", "effect": "NoExecute"}]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            **metadata,
            "name": f"{metadata['name']}-{node}",
            "namespace": metadata.get("namespace") or "default",
            "uid": uid,
            "annotations": annotations,
            "creationTimestamp": now,
        },
        "spec": {**written["spec"], "nodeName": node, "tolerations": tolerations},
        "status": {"phase": "Pending"},
    }


def mirror_of(pod: Object, node: Object | None, era: Era) -> Object:
    """The picture of a static pod for the API."""
    metadata = {key: value for key, value in pod["metadata"].items() if key not in {"uid", "creationTimestamp"}}
    metadata["annotations"] = {**metadata["annotations"], "kubernetes.io/config.mirror": podspec.uid_of(pod)}
    if era.mirror_owner and node is not None:
        name, uid = node["metadata"]["name"], node["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid, "controller": True}
        metadata["ownerReferences"] = [owner]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": pod["spec"]}


def is_current(mirror: Object, pod: Object) -> bool:
    """Whether a mirror shows this static pod and is not being deleted."""
    annotations = mirror["metadata"].get("annotations") or {}
    return annotations.get("kubernetes.io/config.mirror") == podspec.uid_of(pod) and not podspec.is_deleting(mirror)


class StaticPods:
    """Follows the files and keeps the mirrors.

    Args:
        client: the API.
        path: `--pod-manifest-path`.
        name: the node's name.
        era: rules of the kubelet's generation.
        manager: takes the pods on.
        pods: the informer of this node's pods, mirrors among them.
        node: this Node as the informer has it.
        now: timestamps.
    """

    def __init__(
        self,
        client: Client,
        path: Path,
        name: str,
        era: Era,
        *,
        manager: PodManager,
        pods: Informer,
        node: Callable[[], Object | None],
        now: Callable[[], str],
    ) -> None:
        self._client = client
        self._path = path
        self._name = name
        self._era = era
        self._manager = manager
        self._informer = pods
        self._node = node
        self._now = now
        self._pods: dict[str, Object] = {}
        self._poked = asyncio.Event()

    async def run(self) -> None:
        """Works until cancelled."""
        await self._informer.synced.wait()
        while True:
            self._poked.clear()
            try:
                await self.reconcile_mirrors()
            except (ApiError, Unreachable) as error:
                log.info("%s: mirror pods: %s", self._name, error)
            try:
                async with asyncio.timeout(CHECK_PERIOD):
                    await self._poked.wait()
            except TimeoutError:
                self.scan()

    def scan(self) -> None:
        """Reads the files and tells the manager what came and what went."""
        found = read_pods(self._path, self._name, self._now())
        for uid in [uid for uid in self._pods if uid not in found]:
            self._manager.removed(self._pods.pop(uid))
        for uid, pod in found.items():
            if uid not in self._pods:
                self._pods[uid] = pod
                self._manager.added(pod)

    def poke(self) -> None:
        """Looks at the mirrors again: one of them changed."""
        self._poked.set()

    def node_changed(self, old: Object | None, new: Object | None) -> None:
        """The informer's handler: a Node that appears can own mirrors."""
        if old is None:
            self.poke()

    def mirror_uid(self, uid: str) -> str | None:
        """The uid under which the API knows a pod: of a static pod that of its mirror, if it has one."""
        pod = self._pods.get(uid)
        if pod is None:
            return uid
        mirror = self._mirror(pod)
        return None if mirror is None else podspec.uid_of(mirror)

    async def reconcile_mirrors(self) -> None:
        """Creates missing mirrors, replaces wrong ones, removes those of pods that are gone.

        Raises:
            ApiError: the master refused.
            Unreachable: the master did not answer.
        """
        node = self._node()
        for pod in list(self._pods.values()):
            mirror = self._mirror(pod)
            if mirror is not None and is_current(mirror, pod):
                continue
            if mirror is not None:
                await self._delete(mirror)
            if node is not None or not self._era.mirror_owner:
                await self._client.create(PODS, mirror_of(pod, node, self._era))
        wanted = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in self._pods.values()}
        for mirror in [found for found in self._informer.list() if resources.is_mirror(found)]:
            if (mirror["metadata"]["namespace"], mirror["metadata"]["name"]) not in wanted:
                await self._delete(mirror)

    async def _delete(self, mirror: Object) -> None:
        metadata = mirror["metadata"]
        try:
            await self._client.delete(
                PODS, metadata["name"], namespace=metadata["namespace"], grace_period=0, uid=metadata["uid"]
            )
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    def _mirror(self, pod: Object) -> Object | None:
        found = self._informer.get(pod["metadata"]["name"], pod["metadata"]["namespace"])
        return found if found is not None and resources.is_mirror(found) else None
