"""The query parameters of POST, PUT and PATCH, with the checks of kube-apiserver 1.36."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import attrs
import msgspec

from refimpl.api.errors import Cause, invalid
from refimpl.api.resources import Resource
from refimpl.apiserver.verbs.call import Call, reads_as_true
from refimpl.apiserver.verbs.decoding import APPLY, media_type
from refimpl.apiserver.verbs.deleteoptions import dry_run_problems

_MAX_MANAGER = 128
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")

OptionsKind = Literal["CreateOptions", "UpdateOptions", "PatchOptions"]
Query = tuple[tuple[str, str], ...]


@attrs.frozen
class WriteOptions:
    """How an object is to be written.

    Attributes:
        dry_run: do everything but store it.
        field_validation: `Ignore`, `Warn` or `Strict`: what happens to unknown and repeated fields.
        manager: who is recorded as the writer of fields.
        force: of a server-side apply.
    """

    dry_run: bool = False
    field_validation: str = "Warn"
    manager: str = ""
    force: bool = False


_DEFAULT = WriteOptions()


def read(call: Call, kind: OptionsKind) -> WriteOptions:
    """Reads and checks the options of a write.

    Raises:
        ApiError: 422.
    """
    query = call.request.query
    return _of(query, kind, kind == "PatchOptions" and media_type(call) == APPLY) if query else _DEFAULT


@lru_cache(maxsize=1024)
def _of(query: Query, kind: OptionsKind, applies: bool) -> WriteOptions:
    """The options of a query; clients have few different ones."""
    dry_run = [value for key, value in query if key == "dryRun"]
    first = dict(reversed(query))
    manager, validation, force = first.get("fieldManager", ""), first.get("fieldValidation", ""), first.get("force")
    causes = _force_problems(force, kind, applies) + _manager_problems(manager)
    causes += dry_run_problems(dry_run) + _validation_problems(validation)
    if causes:
        raise invalid(Resource("meta.k8s.io", "v1", kind, kind.lower()), "", causes)
    return WriteOptions(bool(dry_run), validation or "Warn", manager, reads_as_true(force))


def _force_problems(force: str | None, kind: OptionsKind, applies: bool) -> list[Cause]:
    """Only a server-side apply can be forced."""
    if kind != "PatchOptions" or force is None or applies:
        return []
    return [Cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force")]


def _manager_problems(manager: str) -> list[Cause]:
    causes = []
    if len(manager.encode()) > _MAX_MANAGER:
        why = f"Too long: may not be more than {_MAX_MANAGER} bytes"
        causes.append(Cause("FieldValueTooLong", why, "fieldManager"))
    at = 0
    for character in manager:
        if not character.isprintable():
            shown = msgspec.json.encode(manager).decode()
            why = f"Invalid value: {shown}: invalid character U+{ord(character):04X} (at position {at})"
            causes.append(Cause("FieldValueInvalid", why, "fieldManager"))
        at += len(character.encode())
    return causes


def _validation_problems(validation: str) -> list[Cause]:
    if validation in _VALIDATIONS:
        return []
    listed = ", ".join(f'"{value}"' for value in _VALIDATIONS)
    why = f'Unsupported value: "{validation}": supported values: {listed}'
    return [Cause("FieldValueNotSupported", why, "fieldValidation")]
