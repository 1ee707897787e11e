"""What is wrong with the files that a volume is made of: of ConfigMaps, Secrets, the pod's own fields, tokens.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.kinds.podspec import environment

MAX_MODE: Final = 0o777
MIN_TOKEN_SECONDS: Final = 600
MAX_TOKEN_SECONDS: Final = 2**32
FIELDS: Final = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
SOURCES: Final = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")


def files_causes(source: Object, path: str) -> Iterable[Cause]:
    """Rules for the chosen keys of a ConfigMap or Secret."""
    yield from mode_causes(source, "defaultMode", path)
    for index, item in enumerate(source.get("items") or []):
        yield from _item_causes(item, f"{path}.items[{index}]")


def _item_causes(item: Object, path: str) -> Iterable[Cause]:
    if not item.get("key"):
        yield causes.required(f"{path}.key")
    yield from _file_causes(item, path)
    yield from mode_causes(item, "mode", path)


def mode_causes(source: Object, key: str, path: str) -> Iterable[Cause]:
    """Rules for the permissions of files."""
    mode = source.get(key)
    if mode is not None and not 0 <= mode <= MAX_MODE:
        yield causes.invalid(f"{path}.{key}", mode, "must be a number between 0 and 0777 (octal), both inclusive")


def _file_causes(item: Object, path: str) -> Iterable[Cause]:
    file = item.get("path", "")
    if not file:
        yield causes.required(f"{path}.path")
    if file.startswith("/"):
        yield causes.invalid(f"{path}.path", file, "must be a relative path")
    if ".." in file.split("/"):
        yield causes.invalid(f"{path}.path", file, "must not contain '..'")
    if file.startswith("..") and not file.startswith("../"):
        yield causes.invalid(f"{path}.path", file, "must not start with '..'")


def downward_causes(items: list[Object], path: str) -> Iterable[Cause]:
    """Rules for files made of the pod's own fields; their paths lack the index in the real server, too."""
    for item in items:
        yield from _file_causes(item, path)
        if item.get("fieldRef") is not None:
            yield from environment.field_reference_causes(item["fieldRef"], f"{path}.fieldRef", FIELDS)
            if item.get("resourceFieldRef") is not None:
                why = "fieldRef and resourceFieldRef can not be specified simultaneously"
                yield causes.invalid(path, "resource", why)
        elif item.get("resourceFieldRef") is not None:
            here = f"{path}.resourceFieldRef"
            yield from environment.resource_reference_causes(item["resourceFieldRef"], here, named=True)
        else:
            yield causes.required(path, "one of fieldRef and resourceFieldRef is required")
        yield from mode_causes(item, "mode", path)


def projection_causes(volume: Object, path: str) -> Iterable[Cause]:
    """Rules for a volume made of several sources."""
    yield from mode_causes(volume, "defaultMode", path)
    taken: set[str] = set()
    for index, source in enumerate(volume.get("sources") or []):
        here = f"{path}.sources[{index}]"
        given = [key for key in SOURCES if source.get(key) is not None]
        for key in given:
            yield from _source_causes(key, source[key], f"{here}.{key}", path, taken)
        if len(given) > 1:
            yield causes.forbidden(here, "may not specify more than 1 volume type")


def _source_causes(key: str, source: Object, here: str, path: str, taken: set[str]) -> Iterable[Cause]:
    match key:
        case "secret" | "configMap":
            if not source.get("name"):
                yield causes.required(f"{here}.name")
            for index, item in enumerate(source.get("items") or []):
                yield from _item_causes(item, f"{here}.items[{index}]")
                yield from _taken_causes(item, taken, path, source.get("name", ""))
        case "downwardAPI":
            for item in source.get("items") or []:
                yield from downward_causes([item], here)
                yield from _taken_causes(item, taken, path, item.get("path", ""))
        case "serviceAccountToken":
            yield from _token_causes(source, here, path)


def _token_causes(source: Object, here: str, path: str) -> Iterable[Cause]:
    seconds = source.get("expirationSeconds", 0)
    if seconds < MIN_TOKEN_SECONDS:
        yield causes.invalid(f"{here}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > MAX_TOKEN_SECONDS:
        yield causes.invalid(
            f"{here}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
        )
    if not source.get("path"):
        yield causes.required(f"{path}.path")


def _taken_causes(item: Object, taken: set[str], path: str, shown: str) -> Iterable[Cause]:
    file = item.get("path", "")
    if file in taken:
        yield causes.invalid(path, shown, "conflicting duplicate paths")
    elif file:
        taken.add(file)
