"""What is wrong with the volumes of a pod spec.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`. Of the sources, those that a node without cloud can mount are
looked into; the others are only counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names, quantity
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, numbers
from refimpl.apiserver.kinds.podspec import environment

MAX_MODE: Final = 0o777
FILE_FIELDS: Final = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
HOST_PATH_TYPES: Final = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)

_NEEDED: Final = {
    "hostPath": ("path",),
    "nfs": ("server", "path"),
    "configMap": ("name",),
    "persistentVolumeClaim": ("claimName",),
    "csi": ("driver",),
}


def volume_causes(volumes: list[Object], path: str) -> tuple[list[Cause], set[str]]:
    """Rules for `volumes`.

    Returns:
        What is wrong, and the names of the good volumes: only those can be mounted.
    """
    found: list[Cause] = []
    good: set[str] = set()
    for index, volume in enumerate(volumes):
        here, name = f"{path}[{index}]", volume.get("name", "")
        wrong = list(_source_causes(volume, here))
        if not name:
            wrong.append(causes.required(f"{here}.name"))
        else:
            wrong += [causes.invalid(f"{here}.name", name, why) for why in names.dns1123_label(name)]
        if name in good:
            wrong.append(causes.duplicate(f"{here}.name", name))
        if not wrong:
            good.add(name)
        found += wrong
    return found, good


def _source_causes(volume: Object, path: str) -> Iterable[Cause]:
    given = [key for key, value in volume.items() if key != "name" and value is not None]
    for key in given[1:]:
        yield causes.forbidden(f"{path}.{key}", "may not specify more than 1 volume type")
    if not given:
        yield causes.required(path, "must specify a volume type")
        return
    key, source, here = given[0], volume[given[0]], f"{path}.{given[0]}"
    for needed in _NEEDED.get(key, ()):
        if not source.get(needed):
            yield causes.required(f"{here}.{needed}")
    match key:
        case "hostPath":
            yield from _host_path_causes(source, here)
        case "emptyDir":
            yield from _empty_dir_causes(source, here)
        case "secret":
            yield from _secret_causes(source, here)
        case "configMap":
            yield from _files_causes(source, here)
        case "downwardAPI":
            yield from _mode_causes(source, here)
            yield from _downward_causes(source.get("items") or [], here)


def _host_path_causes(source: Object, path: str) -> Iterable[Cause]:
    if ".." in source.get("path", "").split("/"):
        yield causes.invalid(f"{path}.path", source["path"], "must not contain '..'")
    if source.get("type", "") not in HOST_PATH_TYPES:
        yield causes.not_supported(f"{path}.type", source["type"], HOST_PATH_TYPES)


def _empty_dir_causes(source: Object, path: str) -> Iterable[Cause]:
    limit = source.get("sizeLimit")
    if limit is not None and quantity.parse(limit) < 0:
        yield causes.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _secret_causes(source: Object, path: str) -> Iterable[Cause]:
    if not source.get("secretName"):
        yield causes.required(f"{path}.secretName")
    yield from _files_causes(source, path)


def _files_causes(source: Object, path: str) -> Iterable[Cause]:
    yield from _mode_causes(source, path)
    for index, item in enumerate(source.get("items") or []):
        here = f"{path}.items[{index}]"
        if not item.get("key"):
            yield causes.required(f"{here}.key")
        yield from _item_path_causes(item, here)


def _mode_causes(source: Object, path: str) -> Iterable[Cause]:
    mode = source.get("defaultMode")
    if mode is not None and not 0 <= mode <= MAX_MODE:
        yield causes.invalid(f"{path}.defaultMode", mode, "must be a number between 0 and 0777 (octal), both inclusive")


def _item_path_causes(item: Object, path: str) -> Iterable[Cause]:
    file = item.get("path", "")
    if not file:
        yield causes.required(f"{path}.path")
    if file.startswith("/"):
        yield causes.invalid(f"{path}.path", file, "must be a relative path")
    if ".." in file.split("/"):
        yield causes.invalid(f"{path}.path", file, "must not contain '..'")
    yield from numbers.between(item.get("mode"), 0, MAX_MODE, f"{path}.mode")


def _downward_causes(items: list[Object], path: str) -> Iterable[Cause]:
    for item in items:
        yield from _item_path_causes(item, path)
        if item.get("fieldRef") is not None:
            yield from environment.field_reference_causes(item["fieldRef"], f"{path}.fieldRef", FILE_FIELDS)
        elif item.get("resourceFieldRef") is None:
            yield causes.required(path, "one of fieldRef and resourceFieldRef is required")
