"""JSON patch (RFC 6902): a list of operations, as kube-apiserver 1.36 does them.

What its library (evanphx/json-patch 4.13) takes more lightly than the RFC: `replace` sets a member that is not there,
`copy` and `test` take a missing member for null, an index may count from the end, and whatever stands before the first
slash of a path is not looked at. Of a failed operation it says nothing (422); there are at most 10,000.
"""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from refimpl.api import jsontext
from refimpl.api.errors import Object, bad_request, request_entity_too_large
from refimpl.api.patch import failures

MOST_OPERATIONS: Final = 10_000

Operations = list[dict[str, Any]]
Container = dict[str, Any] | list[Any]

_MEMBERS: Final = frozenset({"op", "path", "from", "value"})
_CHECKED_TYPES: Final = ("[]handlers.jsonPatchOp", "handlers.jsonPatchOp")
_LIBRARY_TYPES: Final = ("jsonpatch.Patch", "jsonpatch.Operation")
_INDEX: Final = re.compile("[+-]?[0-9]+")


class _Impossible(Exception):
    """An operation that cannot be done."""


def read(body: bytes, *, checked: bool = True) -> Operations:
    """The operations in a request body.

    Args:
        body: as received.
        checked: whether fields are validated: then the body is read a first time for that, and errors are of that.

    Raises:
        ApiError: 400 for what is not a list of operations, 413 for too many of them.
    """
    prefix = "error decoding patch: " if checked else ""
    try:
        document: Operations | None = jsontext.decode(body)
    except jsontext.JsonError as wrong:
        raise bad_request(f"{prefix}{wrong}") from None
    if document is None:
        return []
    why = _misfit(document, checked=checked)
    if why:
        raise bad_request(f"{prefix}json: cannot unmarshal {why}")
    if len(document) > MOST_OPERATIONS:
        raise request_entity_too_large(
            "Request entity too large: "
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(document)}"
        )
    return document


def _misfit(document: object, *, checked: bool) -> str:
    """What cannot be taken for what, in Go's words; empty for a list of operations."""
    listed, one = _CHECKED_TYPES if checked else _LIBRARY_TYPES
    if not isinstance(document, list):
        return f"{jsontext.type_name(document)} into Go value of type {listed}"
    for operation in document:
        if not isinstance(operation, dict):
            return f"{jsontext.type_name(operation)} into Go value of type {one}"
        for member in ("op", "path", "from") if checked else ():
            value = operation.get(member)
            if value is not None and not isinstance(value, str):
                return f"{jsontext.type_name(value)} into Go struct field jsonPatchOp.{member} of type string"
    return ""


def unknown_members(operations: Operations) -> list[str]:
    """What a strict server says about members that no operation has."""
    return [
        f'json patch unknown field "[{index}].{key}"'
        for index, operation in enumerate(operations)
        for key in operation
        if key not in _MEMBERS
    ]


def apply(operations: Operations, target: Object) -> Object:
    """The object after all operations; on a failure none of them counts.

    It shares what no operation touches with the target.

    Raises:
        ApiError: 422 when an operation is malformed, its path does not exist or its test fails.
    """
    document: Any = target
    try:
        for operation in operations:
            document = _done(operation, document)
    except _Impossible:
        raise failures.unprocessable() from None
    if not isinstance(document, dict):
        raise failures.unprocessable()
    return document


def _done(operation: dict[str, Any], document: Any) -> Any:
    path, value = _path(operation, "path"), operation.get("value")
    match operation.get("op"):
        case "add":
            return _added(document, path, value)
        case "remove":
            return _removed(document, path)
        case "replace":
            return _replaced(document, path, value)
        case "move":
            origin = _path(operation, "from")
            return _added(_removed(document, origin), path, _found(document, origin))
        case "copy":
            return _added(document, path, copy.deepcopy(_found(document, _path(operation, "from"))))
        case "test" if _same(document if path == "" else _found(document, path), value):
            return document
    raise _Impossible


def _path(operation: dict[str, Any], member: str) -> str:
    path = operation.get(member)
    if not isinstance(path, str):
        raise _Impossible
    return path


def _same(found: Any, wanted: Any) -> bool:
    """Equality of JSON values, where true is not 1."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[key], wanted[key]) for key in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(_same(*pair) for pair in zip(found, wanted, strict=True))
    return bool(found == wanted)


def _split(path: str) -> tuple[list[str], str]:
    """The way to the container that a path leads into, and the key in it."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    if len(parts) < 2:
        raise _Impossible
    return parts[1:-1], parts[-1]


def _opened(document: Any, path: str) -> tuple[Any, Container, str]:
    """A document in which everything on the way to a path is new, with the container there and the key in it."""
    way, key = _split(path)
    root = here = _shallow(document)
    for step in way:
        below = _shallow(_child(here, step))
        if isinstance(here, dict):
            here[step] = below
        else:
            here[_index(step, len(here))] = below
        here = below
    return root, here, key


def _shallow(value: Any) -> Container:
    if not isinstance(value, (dict, list)):
        raise _Impossible
    return value.copy()


def _child(container: Container, key: str) -> Any:
    """A member; a missing one of an object is null."""
    return container.get(key) if isinstance(container, dict) else container[_index(key, len(container))]


def _index(key: str, length: int) -> int:
    """An index below a length; a negative one counts from the end."""
    if not _INDEX.fullmatch(key) or not -length <= int(key) < length:
        raise _Impossible
    return int(key) % length


def _found(document: Any, path: str) -> Any:
    way, key = _split(path)
    here = document
    for step in [*way, key]:
        if not isinstance(here, (dict, list)):
            raise _Impossible
        here = _child(here, step)
    return here


def _added(document: Any, path: str, value: Any) -> Any:
    root, container, key = _opened(document, path)
    if isinstance(container, dict):
        container[key] = value
    else:
        container.insert(len(container) if key == "-" else _index(key, len(container) + 1), value)
    return root


def _removed(document: Any, path: str) -> Any:
    root, container, key = _opened(document, path)
    if isinstance(container, list):
        del container[_index(key, len(container))]
    elif key in container:
        del container[key]
    else:
        raise _Impossible
    return root


def _replaced(document: Any, path: str, value: Any) -> Any:
    if path == "":
        return value
    root, container, key = _opened(document, path)
    if isinstance(container, dict):
        container[key] = value
    else:
        container[_index(key, len(container))] = value
    return root
