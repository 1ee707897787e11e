"""Writes refimpl/api/data/protobuf-1.36.json.gz: the protobuf field numbers of every kind the API server serves.

    python tools/gen_protobuf.py --binary /usr/bin/kubectl.1.33

A Go program that speaks to Kubernetes carries the descriptors of all API messages, each a gzipped FileDescriptorProto;
they are found by looking at the bytes. Field numbers never change their meaning, so any recent program will do. Fields
that are newer than it are in `NEWER`, read from the generated.proto files that Kubernetes 1.35 publishes.

The table says for each type of the schema (refimpl/api/data/README.md) under which number each JSON field is sent.
Types and names are the schema's; where the messages disagree with it the tool stops.
"""

from __future__ import annotations

import argparse
import gzip
import json
import mmap
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from refimpl.api import schema  # noqa: E402 - the repository need not be installed
from refimpl.api.protobuf import types  # noqa: E402
from refimpl.api.protobuf.wire import LENGTH, fields  # noqa: E402
from refimpl.api.schema import ListOf, MapOf, Scalar, Struct  # noqa: E402

OUTPUT = ROOT / "refimpl/api/data/protobuf-1.36.json.gz"
MAGIC = b"\x1f\x8b\x08"
LARGEST = 400_000
"""Compressed bytes of a descriptor at most."""
MESSAGE, REPEATED = 11, 3
"""Type and label in a FieldDescriptorProto."""
SCALAR_TYPES = {"s": (9,), "i": (5,), "l": (3,), "f": (1,), "b": (8,), "y": (12,)}
SCALAR_MESSAGES = {
    "t": ("k8s.io.apimachinery.pkg.apis.meta.v1.Time",),
    "T": ("k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime",),
    "q": ("k8s.io.apimachinery.pkg.api.resource.Quantity",),
    "x": ("k8s.io.apimachinery.pkg.util.intstr.IntOrString",),
    "*": ("k8s.io.apimachinery.pkg.runtime.RawExtension", "k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1"),
}
SAME_AS = {"k8s.io.api.resource.v1.": "k8s.io.api.resource.v1beta2."}
"""Packages that are newer than the program, and the older ones whose numbers they have kept."""

NEWER: dict[str, dict[str, str]] = {
    "core.v1.Container": {"restartPolicyRules": "25"},
    "core.v1.ContainerExtendedResourceRequest": {"containerName": "1", "resourceName": "2", "requestName": "3"},
    "core.v1.ContainerRestartRule": {"action": "1", "exitCodes": "2"},
    "core.v1.ContainerRestartRuleOnExitCodes": {"operator": "1", "values": "2"},
    "core.v1.EnvVarSource": {"fileKeyRef": "5"},
    "core.v1.EphemeralContainer": {"restartPolicyRules": "1.25"},
    "core.v1.FileKeySelector": {"volumeName": "1", "path": "2", "key": "3", "optional": "4"},
    "core.v1.PodCertificateProjection": {
        "signerName": "1",
        "keyType": "2",
        "maxExpirationSeconds": "3",
        "credentialBundlePath": "4",
        "keyPath": "5",
        "certificateChainPath": "6",
        "userAnnotations": "7",
    },
    "core.v1.PodExtendedResourceClaimStatus": {"requestMappings": "1", "resourceClaimName": "2"},
    "core.v1.PodSpec": {"hostnameOverride": "41"},
    "core.v1.PodStatus": {"extendedResourceClaimStatus": "18", "allocatedResources": "19", "resources": "20"},
    "core.v1.VolumeProjection": {"podCertificate": "6"},
    "resource.v1.AllocatedDeviceStatus": {"shareID": "7"},
    "resource.v1.AllocationResult": {"allocationTimestamp": "5"},
    "resource.v1.CapacityRequestPolicy": {"default": "1", "validValues": "3", "validRange": "4"},
    "resource.v1.CapacityRequestPolicyRange": {"min": "1", "max": "2", "step": "3"},
    "resource.v1.CapacityRequirements": {"requests": "1"},
    "resource.v1.Device": {
        "bindsToNode": "9",
        "bindingConditions": "10",
        "bindingFailureConditions": "11",
        "allowMultipleAllocations": "12",
    },
    "resource.v1.DeviceCapacity": {"requestPolicy": "2"},
    "resource.v1.DeviceClassSpec": {"extendedResourceName": "4"},
    "resource.v1.DeviceConstraint": {"distinctAttribute": "3"},
    "resource.v1.DeviceRequestAllocationResult": {
        "bindingConditions": "7",
        "bindingFailureConditions": "8",
        "shareID": "9",
        "consumedCapacity": "10",
    },
    "resource.v1.DeviceSubRequest": {"capacity": "7"},
    "resource.v1.ExactDeviceRequest": {"capacity": "7"},
}


@attrs.frozen
class Field:
    """One field of a message."""

    number: int
    label: int
    type: int
    message: str


@attrs.frozen
class Message:
    """One message: its fields by name."""

    fields: dict[str, Field]


Messages = dict[str, Message]


class Disagreement(Exception):
    """The messages do not fit the schema."""


def main() -> None:
    """Reads the arguments and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True, help="a Go program with the Kubernetes API in it")
    messages = read_messages(parser.parse_args().binary)
    table = schema.load()
    numbers: dict[str, dict[str, str]] = {}
    for name in (*table.names(), *types.EXTRA):
        struct = types.struct(name)
        numbers[name] = {**NEWER.get(name.removeprefix("io.k8s.api."), {}), **numbers_of(messages, struct)}
        report(struct, numbers[name])
    text = json.dumps({"types": numbers}, separators=(",", ":"), sort_keys=True).encode()
    with OUTPUT.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as out:
        out.write(text)
    print(f"{OUTPUT.name}: {len(numbers)} types, {len(text)} bytes, {OUTPUT.stat().st_size} compressed")


def report(struct: Struct, numbers: dict[str, str]) -> None:
    """Says which fields have no number; `kind` and `apiVersion` of objects are in the envelope."""
    missing = [name for name in struct.fields if name not in numbers]
    if struct.kinds:
        missing = [name for name in missing if name not in {"kind", "apiVersion"}]
    if missing:
        print(f"not sent: {struct.name}: {', '.join(missing)}")


def read_messages(binary: Path) -> Messages:
    """All messages whose descriptors are in a program, by full name."""
    messages: Messages = {}
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for text in _unpacked(content):
            for package, message in _file(text):
                _read_message(message, package, messages)
    return messages


def _unpacked(content: mmap.mmap) -> Iterator[bytes]:
    """What the gzip streams unpack to that look like file descriptors."""
    at = content.find(MAGIC)
    while at >= 0:
        try:
            text = zlib.decompressobj(31).decompress(content[at : at + LARGEST])
            if text[:1] == b"\n" and b".proto" in text[:120]:
                yield text
        except zlib.error:
            pass
        at = content.find(MAGIC, at + len(MAGIC))


def _file(text: bytes) -> Iterator[tuple[str, bytes]]:
    """The package and each message of a FileDescriptorProto."""
    found = list(fields(text))
    package = "".join(_text(value) for number, kind, value in found if number == 2 and kind == LENGTH)
    for number, _, value in found:
        if number == 4 and isinstance(value, bytes):
            yield package, value


def _read_message(text: bytes, prefix: str, messages: Messages) -> None:
    found = list(fields(text))
    name = f"{prefix}.{''.join(_text(value) for number, _, value in found if number == 1)}"
    own = [_field(value) for number, _, value in found if number == 2 and isinstance(value, bytes)]
    messages[name] = Message(dict(own))
    for number, _, value in found:
        if number == 3 and isinstance(value, bytes):
            _read_message(value, name, messages)


def _field(text: bytes) -> tuple[str, Field]:
    found = {number: value for number, _, value in fields(text)}
    message = _text(found.get(6, b"")).removeprefix(".")
    return _text(found[1]), Field(_number(found[3]), _number(found[4]), _number(found[5]), message)


def _text(value: bytes | int) -> str:
    return value.decode() if isinstance(value, bytes) else ""


def _number(value: bytes | int) -> int:
    if not isinstance(value, int):
        raise Disagreement(f"not a number: {value!r}")
    return value


def numbers_of(messages: Messages, struct: Struct) -> dict[str, str]:
    """The numbers of a type's fields: `3`; `1.3` in an embedded message; `4w` for a list in a message of its own."""
    name = f"k8s.io.{struct.name.removeprefix('io.k8s.')}"
    for package, older in SAME_AS.items():
        if name not in messages and name.startswith(package):
            name = name.replace(package, older)
    return _numbers(messages, name, struct, "") if name in messages else {}


def _numbers(messages: Messages, message: str, struct: Struct, prefix: str) -> dict[str, str]:
    found = {}
    for sent_as, field in messages[message].fields.items():
        name = json_name(struct, sent_as)
        if name is not None:
            wrapped = check(messages, struct, name, field)
            found[name] = f"{prefix}{field.number}{'w' if wrapped else ''}"
        elif field.type == MESSAGE and field.label != REPEATED and field.message in messages:
            found |= _numbers(messages, field.message, struct, f"{prefix}{field.number}.")
    return found


def json_name(struct: Struct, sent_as: str) -> str | None:
    """The JSON field behind a message's field, or None when it is none of its own (the message is embedded)."""
    if sent_as in struct.fields:
        return sent_as
    return next((name for name in struct.fields if name.lower() == sent_as.lower()), None)


def check(messages: Messages, struct: Struct, name: str, field: Field) -> bool:
    """Compares types; returns whether the items of a list are in a message of their own.

    Raises:
        Disagreement: schema and message have different types.
    """
    kind = struct.fields[name].type
    wrapped = False
    if isinstance(kind, MapOf):
        field = messages[field.message].fields["value"]
        kind = kind.item
    if isinstance(kind, ListOf):
        wrapped = field.label != REPEATED
        if wrapped:
            field = messages[field.message].fields["items"]
        kind = kind.item
    if isinstance(kind, Scalar) and kind.code in SCALAR_TYPES:
        fits = field.type in SCALAR_TYPES[kind.code]
    elif isinstance(kind, Scalar):
        fits = field.message in SCALAR_MESSAGES[kind.code]
    else:
        fits = field.type == MESSAGE
    if not fits:
        raise Disagreement(f"{struct.name} {name}: {kind} is sent as {field}")
    return wrapped


if __name__ == "__main__":
    main()
