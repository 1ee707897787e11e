"""The environment of a container: literal values, references to the pod, to the node, to ConfigMaps and Secrets.

Source: kubelet 1.36 `makeEnvironmentVariables`. Service variables are not made: names in this cluster are for DNS and
proxies.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from refimpl.api import quantity
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import CONFIGMAPS, SECRETS, Resource
from refimpl.client.client import Client
from refimpl.kubelet import podspec
from refimpl.kubelet.runtime.base import StartFailure

_REFERENCE: Final = re.compile(r"\$(\$|\((?P<name>[^()]*)\))")
_SUBSCRIPT: Final = re.compile(r"metadata\.(?P<field>labels|annotations)\['(?P<key>[^']+)'\]")


@attrs.frozen
class Place:
    """Where a pod runs, as the downward API tells it.

    Attributes:
        pod_ips: addresses of the pod.
        host_ips: addresses of the node.
        allocatable: what the node can give, in place of limits that a container does not set.
    """

    pod_ips: Sequence[str]
    host_ips: Sequence[str]
    allocatable: Mapping[str, str]


async def environment(client: Client, pod: Object, container: Object, place: Place) -> dict[str, str]:
    """The variables of a container, in order, with `$(NAME)` expanded.

    Raises:
        StartFailure: a reference leads nowhere (`CreateContainerConfigError`).
        Unreachable: the master did not answer.
    """
    source = _Source(client, pod["metadata"]["namespace"])
    env: dict[str, str] = {}
    for reference in container.get("envFrom") or ():
        for key, value in (await source.whole(reference)).items():
            env[(reference.get("prefix") or "") + key] = value
    for entry in container.get("env") or ():
        found = await _value(source, pod, container, entry, place)
        if found is not None:
            env[entry["name"]] = expand(found, env) if "value" in entry else found
    return env


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replaces `$(NAME)` by a variable's value; unknown names stay as they are, `$$` is a dollar sign."""

    def replacement(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "$"
        return env.get(name, match[0])

    return _REFERENCE.sub(replacement, text)


def field_value(path: str, pod: Object, place: Place) -> str:
    """The value of a `fieldRef`.

    Raises:
        StartFailure: no such field.
    """
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript is not None:
        return str((pod["metadata"].get(subscript["field"]) or {}).get(subscript["key"], ""))
    metadata, spec = pod["metadata"], pod["spec"]
    values: dict[str, str] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": next(iter(place.host_ips), ""),
        "status.hostIPs": ",".join(place.host_ips),
        "status.podIP": next(iter(place.pod_ips), ""),
        "status.podIPs": ",".join(place.pod_ips),
    }
    if path not in values:
        raise _wrong(f"unsupported fieldPath: {path}")
    return values[path]


def resource_value(reference: Object, pod: Object, container: Object, place: Place) -> str:
    """The value of a `resourceFieldRef`, in units of its divisor, rounded up."""
    named = reference.get("containerName")
    target = (podspec.container_named(pod, named) if named else container) or container
    side, _, resource = reference["resource"].partition(".")
    listed = (target.get("resources") or {}).get(side) or {}
    amount = listed.get(resource, place.allocatable.get(resource, "0") if side == "limits" else "0")
    divisor = reference.get("divisor") or "1"
    divided = quantity.parse(amount) / (quantity.parse(divisor) or 1)
    return str(int(-(-divided // 1)))


class _Source:
    """ConfigMaps and Secrets of one namespace, each read once."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._read: dict[tuple[str, str], dict[str, str] | None] = {}

    async def whole(self, reference: Object) -> dict[str, str]:
        """All entries of what an `envFrom` names."""
        for resource, key in ((CONFIGMAPS, "configMapRef"), (SECRETS, "secretRef")):
            if key in reference:
                return await self._entries(resource, reference[key]) or {}
        return {}

    async def entry(self, resource: Resource, reference: Object) -> str | None:
        """One entry; None where it may be missing and is."""
        entries = await self._entries(resource, reference)
        if entries is not None and reference["key"] in entries:
            return entries[reference["key"]]
        if reference.get("optional"):
            return None
        raise _wrong(f"couldn't find key {reference['key']} in {resource.kind} {self._namespace}/{reference['name']}")

    async def _entries(self, resource: Resource, reference: Object) -> dict[str, str] | None:
        key = (resource.plural, reference["name"])
        if key not in self._read:
            self._read[key] = await self._get(resource, reference["name"])
        entries = self._read[key]
        if entries is None and not reference.get("optional"):
            raise _wrong(f'{resource.kind.lower()} "{reference["name"]}" not found')
        return entries

    async def _get(self, resource: Resource, name: str) -> dict[str, str] | None:
        try:
            found = await self._client.get(resource, name, namespace=self._namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise _wrong(error.message) from None
        data: dict[str, Any] = found.get("data") or {}
        if resource is SECRETS:
            return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
        return data


async def _value(source: _Source, pod: Object, container: Object, entry: Object, place: Place) -> str | None:
    if "valueFrom" not in entry:
        return str(entry.get("value", ""))
    origin = entry["valueFrom"]
    if "fieldRef" in origin:
        return field_value(origin["fieldRef"]["fieldPath"], pod, place)
    if "resourceFieldRef" in origin:
        return resource_value(origin["resourceFieldRef"], pod, container, place)
    if "configMapKeyRef" in origin:
        return await source.entry(CONFIGMAPS, origin["configMapKeyRef"])
    return await source.entry(SECRETS, origin["secretKeyRef"])


def _wrong(message: str) -> StartFailure:
    return StartFailure("CreateContainerConfigError", message)
