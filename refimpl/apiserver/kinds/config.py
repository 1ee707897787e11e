"""ConfigMaps, Secrets and ServiceAccounts.

Source: kube-apiserver 1.36 `pkg/apis/core/validation` and `pkg/registry/core`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api import jsontext
from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.apiserver.kinds import causes, metadata, printing
from refimpl.apiserver.kinds.kind import NAMESPACED_LABELS, Kind
from refimpl.apiserver.kinds.podspec.environment import config_key_problems
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

MAX_BYTES: Final = 1024 * 1024
ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
IMMUTABLE: Final = "field is immutable when `immutable` is set"


def data_count(obj: Object, _clock: Clock) -> int:
    """How many keys there are."""
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def key_causes(data: dict[str, str] | None, path: str) -> Iterable[Cause]:
    """Rules for the keys of a map of files."""
    for key in sorted(data or {}):
        for why in config_key_problems(key):
            yield causes.invalid(f"{path}[{key}]", key, why)


def immutable_causes(old: Object, new: Object, *keys: str) -> Iterable[Cause]:
    """What a client has declared final stays."""
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield causes.forbidden("immutable", IMMUTABLE)
    for key in keys:
        if (old.get(key) or {}) != (new.get(key) or {}):
            yield causes.forbidden(key, IMMUTABLE)


class ConfigMaps(Kind):
    """Behaviour of ConfigMap."""

    update_without_version: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Data", data_count, documents="data"),
        printing.AGE,
    )

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        yield from key_causes(data, "data")
        for key in sorted(data.keys() & binary.keys()):
            yield causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        yield from key_causes(binary, "binaryData")
        total = sum(len(value.encode()) for value in data.values()) + sum(map(decoded_size, binary.values()))
        if total > MAX_BYTES:
            yield causes.too_long("[]", MAX_BYTES)

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from super().validate_update(ctx, old, new)
        yield from immutable_causes(old, new, "data", "binaryData")
        if old["metadata"] != new["metadata"]:
            # A changed map is checked as a new one, too, and that includes its metadata.
            yield from metadata.object_causes(new, True, self.name_problems)
        yield from self.validate(ctx, new)


def decoded_size(text: str | None) -> int:
    """Bytes behind a base64 text; a null in a map is an empty value."""
    return len(text) * 3 // 4 - text.count("=") if text else 0


# What a secret of each type must contain.
_REQUIRED_DATA: Final = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


class Secrets(Kind):
    """Behaviour of Secret."""

    update_without_version: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {**NAMESPACED_LABELS, "type": FieldLabel("type")}
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Type", printing.field("type"), documents="type"),
        Column("Data", data_count, documents="data"),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """Plain texts are stored encoded."""
        obj["type"] = obj.get("type") or "Opaque"
        texts = obj.pop("stringData", None)
        if texts:
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in texts.items()}
            obj["data"] = {**(obj.get("data") or {}), **encoded}

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        data = obj.get("data") or {}
        yield from key_causes(data, "data")
        if sum(map(decoded_size, data.values())) > MAX_BYTES:
            yield causes.too_long("data", MAX_BYTES)
        yield from _type_causes(obj, data)

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from super().validate_update(ctx, old, new)
        yield from causes.immutable("type", old.get("type", ""), new.get("type", ""))
        yield from immutable_causes(old, new, "data")
        yield from self.validate(ctx, new)


def _type_causes(secret: Object, data: dict[str, str]) -> Iterable[Cause]:
    kind = secret.get("type", "")
    for key in _REQUIRED_DATA.get(kind, ()):
        if key not in data:
            yield causes.required(f"data[{key}]")
        elif key.startswith(".docker"):
            yield from _json_causes(data[key], f"data[{key}]")
    if kind == "kubernetes.io/service-account-token":
        if not (secret["metadata"].get("annotations") or {}).get(ACCOUNT_NAME):
            yield causes.required(f"metadata.annotations[{ACCOUNT_NAME}]")
    elif kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield causes.required("data[username]")
        yield causes.required("data[password]")


def _json_causes(encoded: str, path: str) -> Iterable[Cause]:
    try:
        jsontext.decode(base64.b64decode(encoded))
    except jsontext.JsonError as wrong:
        yield causes.invalid(path, "<secret contents redacted>", str(wrong))


class ServiceAccounts(Kind):
    """Behaviour of ServiceAccount."""

    update_without_version: ClassVar[bool] = True
    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Secrets", lambda obj, _: len(obj.get("secrets") or []), documents="secrets"),
        printing.AGE,
    )
