"""What is wrong with environment variables and downward-API references.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes

NAME_RULE: Final = "a valid environment variable name must consist only of printable ASCII characters other than '='"
CONFIG_KEY_RULE: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
ENV_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)

CONTAINER_RESOURCES: Final = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)

_HUGE_PAGES: Final = ("limits.hugepages-", "requests.hugepages-")
_CPU_DIVISORS: Final = ("1m", "1")
_BYTE_DIVISORS: Final = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_BYTE_NAMES: Final = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
_BYTE_RULE: Final = f"only divisor's values {', '.join(_BYTE_DIVISORS)} are supported with the {{}} resource"
_FIELDS: Final = frozenset(
    {*ENV_FIELDS, "metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase"}
)
_SUBSCRIPT: Final = re.compile(r"(.*)\['(.*)'\]")
_ENV_NAME: Final = re.compile(r"[ -<>-~]+")


def variable_causes(variables: list[Object], path: str) -> Iterable[Cause]:
    """Rules for `env`."""
    for index, variable in enumerate(variables):
        here = f"{path}[{index}]"
        yield from _name_causes(variable.get("name", ""), f"{here}.name")
        if variable.get("valueFrom") is not None:
            yield from _source_causes(variable, f"{here}.valueFrom")


def _name_causes(name: str, path: str) -> Iterable[Cause]:
    if not name:
        yield causes.required(path)
    elif _ENV_NAME.fullmatch(name) is None:
        yield causes.invalid(path, name, NAME_RULE)


def _source_causes(variable: Object, path: str) -> Iterable[Cause]:
    source = variable["valueFrom"]
    given = [key for key in SOURCES if source.get(key) is not None]
    for key in given:
        if key == "fieldRef":
            yield from field_reference_causes(source[key], f"{path}.{key}", ENV_FIELDS)
        elif key == "resourceFieldRef":
            yield from resource_reference_causes(source[key], f"{path}.{key}", named=False)
        elif key in {"configMapKeyRef", "secretKeyRef"}:
            yield from _key_reference_causes(source[key], f"{path}.{key}")
    if not given:
        listed = ", ".join(f"`{key}`" for key in SOURCES[:3])
        yield causes.invalid(path, "", f"must specify one of: {listed} or `secretKeyRef`")
    elif variable.get("value"):
        yield causes.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield causes.invalid(path, "", "may not have more than one field specified at a time")


def field_reference_causes(reference: Object, path: str, allowed: tuple[str, ...]) -> Iterable[Cause]:
    """Rules for a reference to a field of the pod itself."""
    field = reference.get("fieldPath", "")
    if not field:
        yield causes.required(f"{path}.fieldPath")
        return
    version = reference.get("apiVersion", "")
    if version != "v1":
        why = f"error converting fieldPath: unsupported pod version: {version}"
        yield causes.invalid(f"{path}.fieldPath", field, why)
        return
    subscripted = _SUBSCRIPT.fullmatch(field)
    known = subscripted[1] in {"metadata.annotations", "metadata.labels"} if subscripted else field in _FIELDS
    if not known:
        why = f"error converting fieldPath: field label not supported: {field}"
        yield causes.invalid(f"{path}.fieldPath", field, why)
    elif subscripted:
        key = subscripted[2].lower() if subscripted[1].endswith("annotations") else subscripted[2]
        for why in names.qualified_name(key):
            yield causes.invalid(path, subscripted[2], why)
    elif field not in allowed:
        yield causes.not_supported(f"{path}.fieldPath", field, sorted(allowed))


def resource_reference_causes(reference: Object, path: str, *, named: bool) -> Iterable[Cause]:
    """Rules for a reference to what a container asks for.

    Args:
        reference: the reference.
        path: of the reference.
        named: the container has to be named, as in a volume.
    """
    resource = reference.get("resource", "")
    if named and not reference.get("containerName"):
        yield causes.required(f"{path}.containerName")
    elif not resource:
        yield causes.required(f"{path}.resource")
    elif resource not in CONTAINER_RESOURCES and not resource.startswith(_HUGE_PAGES):
        yield causes.not_supported(f"{path}.resource", resource, CONTAINER_RESOURCES)
    yield from _divisor_causes(resource, reference.get("divisor", "0"), f"{path}.divisor")


def _divisor_causes(resource: str, divisor: str, path: str) -> Iterable[Cause]:
    if divisor == "0":
        return
    kind = resource.partition(".")[2]
    if kind == "cpu" and divisor not in _CPU_DIVISORS:
        yield causes.invalid(path, resource, "only divisor's values 1m and 1 are supported with the cpu resource")
    elif kind in _BYTE_NAMES and divisor not in _BYTE_DIVISORS:
        yield causes.invalid(path, resource, _BYTE_RULE.format(_BYTE_NAMES[kind]))
    elif resource.startswith(_HUGE_PAGES) and divisor not in _BYTE_DIVISORS:
        yield causes.invalid(path, resource, _BYTE_RULE.format("hugepages"))


def _source_name_causes(name: str, path: str) -> Iterable[Cause]:
    if not name:
        yield causes.required(path)
        return
    for why in names.dns1123_subdomain(name):
        yield causes.invalid(path, name, why)


def _key_reference_causes(reference: Object, path: str) -> Iterable[Cause]:
    for why in names.dns1123_subdomain(reference.get("name", "")):
        yield causes.invalid(f"{path}.name", reference.get("name", ""), why)
    key = reference.get("key", "")
    if not key:
        yield causes.required(f"{path}.key")
        return
    for why in config_key_problems(key):
        yield causes.invalid(f"{path}.key", key, why)


def config_key_problems(key: str) -> Iterable[str]:
    """What is wrong with a key of a ConfigMap or Secret."""
    if len(key) > 253:
        yield "must be no more than 253 characters"
    if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
        yield CONFIG_KEY_RULE
    if key in {".", ".."}:
        yield f"must not be '{key}'"
    elif key.startswith(".."):
        yield "must not start with '..'"


def sources_causes(sources: list[Object], path: str) -> Iterable[Cause]:
    """Rules for `envFrom`."""
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        prefix = source.get("prefix", "")
        if prefix and _ENV_NAME.fullmatch(prefix) is None:
            yield causes.invalid(f"{here}.prefix", prefix, NAME_RULE)
        given = [key for key in ("configMapRef", "secretRef") if source.get(key) is not None]
        for key in given:
            yield from _source_name_causes(source[key].get("name", ""), f"{here}.{key}.name")
        if not given:
            yield causes.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield causes.invalid(path, "", "may not have more than one field specified at a time")
