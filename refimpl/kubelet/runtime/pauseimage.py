"""An image for the container that holds a pod's namespaces: one program of a few bytes that sleeps for ever.

Nodes usually pull `pause` for this. Making it here means that a node with no way to a registry can run pods. Two
processors are known; on others an image must be named (`--pod-infra-container-image`).
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping
from typing import Final

IMAGE: Final = "node-contract/pause:1"

_BASE: Final = 0x400000
_HEADERS: Final = 120
_ELF_MAGIC: Final = b"\x7fELF\x02\x01\x01" + bytes(9)

# x86-64: mov eax, 34 (pause); syscall; jmp to the start.
_X86_64: Final = bytes.fromhex("b822000000 0f05 ebf7")
# AArch64: ppoll(0, 0, 0, 0, 0), number 73 in x8; svc; branch to the start.
_AARCH64: Final = struct.pack(
    "<8I", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800004, 0xD2800928, 0xD4000001, 0x17FFFFF9
)
_PROGRAMS: Final[Mapping[str, tuple[int, bytes]]] = {
    "x86_64": (62, _X86_64),
    "amd64": (62, _X86_64),
    "aarch64": (183, _AARCH64),
    "arm64": (183, _AARCH64),
}


def program(architecture: str) -> bytes | None:
    """A static ELF program that sleeps for ever; None for an unknown processor.

    Args:
        architecture: as the engine names it: `x86_64`, `aarch64`.
    """
    if architecture not in _PROGRAMS:
        return None
    machine, code = _PROGRAMS[architecture]
    size = _HEADERS + len(code)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return _ELF_MAGIC + header + segment + code


def archive(content: bytes) -> bytes:
    """The image's file system: a tar with `/pause` alone."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo("pause")
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()
