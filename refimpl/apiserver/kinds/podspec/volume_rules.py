"""What is wrong with the volumes of a pod spec.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`. Of the sources, those that a node without cloud can mount are
looked into; the others are only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from refimpl.api import names, quantity
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.kinds.podspec import volume_files

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
    "ephemeral": ("volumeClaimTemplate",),
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
    check = _CHECKS.get(key)
    if check is not None:
        yield from check(source, here)


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
    yield from volume_files.files_causes(source, path)


def _downward_causes(source: Object, path: str) -> Iterable[Cause]:
    yield from volume_files.mode_causes(source, "defaultMode", path)
    yield from volume_files.downward_causes(source.get("items") or [], path)


def _nfs_causes(source: Object, path: str) -> Iterable[Cause]:
    if not source.get("path", "").startswith("/"):
        yield causes.invalid(f"{path}.path", source.get("path", ""), "must be an absolute path")


_CHECKS: Final[Mapping[str, Callable[[Object, str], Iterable[Cause]]]] = {
    "hostPath": _host_path_causes,
    "emptyDir": _empty_dir_causes,
    "secret": _secret_causes,
    "configMap": volume_files.files_causes,
    "downwardAPI": _downward_causes,
    "projected": volume_files.projection_causes,
    "nfs": _nfs_causes,
}
