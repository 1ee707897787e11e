"""The grammar of resource URLs.

    /api/v1/...  and  /apis/GROUP/VERSION/...   followed by
    [watch/] [namespaces/NAMESPACE/] RESOURCE [/NAME [/SUBRESOURCE [/REST]]]

Everything else (discovery, health, version) is not a resource URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs

from refimpl.api.errors import ApiError, bad_request, failure
from refimpl.api.resources import NAMESPACES, OLDER, TABLE, Resource, by_path

_GROUPS = frozenset(row.group for row in TABLE)
_GROUP_VERSIONS = frozenset((row.group, row.version) for row in (*TABLE, *OLDER))
_NAMESPACE_SUBRESOURCES = frozenset(NAMESPACES.subresources)

_KEPT_PATH = 512
"""Characters of the longest path whose reading is remembered: objects are asked for again and again."""


@attrs.frozen
class Target:
    """What a resource URL names.

    Attributes:
        resource: the row of the table.
        namespace: empty for cluster-scoped resources and for collections over all namespaces.
        name: object name; empty for a collection.
        subresource: e.g. `status`; empty for the object itself.
        rest: what follows the subresource (of a proxy), without the leading slash.
        watch: the URL is of the old `/api/v1/watch/...` form.
    """

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    watch: bool = False


def unknown_resource() -> ApiError:
    """404 for a resource, version or subresource that a served group does not have."""
    return failure(404, "NotFound", "the server could not find the requested resource", {})


def check_segment(what: str, name: str) -> None:
    """A name in a URL must not be one that paths give a meaning to.

    Raises:
        ApiError: 400.
    """
    if name in {".", ".."}:
        raise bad_request(f"{what} parameter invalid: \"{name}\": may not be '{name}'")
    if "%" in name:
        raise bad_request(f"{what} parameter invalid: \"{name}\": may not contain '%'")


def parse(path: str) -> Target | None:
    """Reads a resource URL.

    Returns:
        None when the path is not below a served group version (or names no resource).

    Raises:
        ApiError: 404, the group version is served but the path names nothing in it.
    """
    return _remembered(path) if len(path) <= _KEPT_PATH else _parse(path)


def _parse(path: str) -> Target | None:
    parts = path.removesuffix("/").split("/")[1:]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if group not in _GROUPS:
        return None
    if (group, version) not in _GROUP_VERSIONS:
        raise unknown_resource()
    watch = rest[0] == "watch" and len(rest) > 1
    return _resolve(group, version, rest[1:] if watch else rest, watch=watch)


_remembered = lru_cache(maxsize=16384)(_parse)


def _resolve(group: str, version: str, parts: Sequence[str], *, watch: bool) -> Target:
    namespace = ""
    below_namespace = (
        parts[0] == "namespaces" and len(parts) >= 3 and not (group == "" and parts[2] in _NAMESPACE_SUBRESOURCES)
    )
    if below_namespace:
        namespace, parts = parts[1], parts[2:]
    resource = by_path(group, version, parts[0])
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    if (
        resource is None
        or (below_namespace and not resource.namespaced)
        or (name and resource.namespaced and not below_namespace)
        or (subresource and (watch or subresource not in resource.subresources))
        or (len(parts) > 3 and subresource != "proxy")
        or "" in parts
    ):
        raise unknown_resource()
    check_segment("Name", name)
    return Target(resource, namespace, name, subresource, "/".join(parts[3:]), watch)
