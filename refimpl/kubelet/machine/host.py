"""Facts about the machine a kubelet runs on: constants in virtual time, the real machine live.

Facts do not change while a kubelet runs; what does change (free memory, devices) is in `stats` and `devices`.
"""

from __future__ import annotations

import hashlib
import platform
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path

import attrs

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@attrs.frozen(kw_only=True)
class HostFacts:
    """One machine, as cadvisor and the operating system describe it.

    Attributes:
        hostname: the machine's own name.
        addresses: its IP addresses, that of the default route first; loopback left out.
        cpus: logical CPUs.
        memory: bytes of memory (`MemTotal`).
        ephemeral_storage: bytes of the file system that holds the kubelet's files.
        hugepages: bytes of huge pages by page size, e.g. `{"2Mi": 0}`.
        gpus: NVIDIA devices (published by 1.5 only).
        machine_id: /etc/machine-id.
        system_uuid: the firmware's id.
        boot_id: changes with every boot.
        kernel_version: e.g. `3.10.0-514.26.2.el7.x86_64`.
        os_image: e.g. `CentOS Linux 7 (Core)`.
        operating_system: as Go names it: `linux`.
        architecture: as Go names it: `amd64`.
    """

    hostname: str
    addresses: tuple[str, ...]
    cpus: int
    memory: int
    ephemeral_storage: int = 0
    hugepages: Mapping[str, int] = attrs.field(factory=dict)
    gpus: int = 0
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    kernel_version: str = ""
    os_image: str = ""
    operating_system: str = "linux"
    architecture: str = "amd64"


SEED_HOST = HostFacts(
    hostname="127.0.0.1",
    addresses=("127.0.0.1",),
    cpus=1,
    memory=1883844 * KIB,
    ephemeral_storage=20 * GIB,
    machine_id="f9d400c5e1e8c3a8209e990d887d4ac1",
    system_uuid="13C940BE-9125-4594-9C8B-82E19C997FF3",
    boot_id="09a9b2bf-14cf-4e32-a724-8b279d44a387",
    kernel_version="3.10.0-514.26.2.el7.x86_64",
    os_image="CentOS Linux 7 (Core)",
)
"""The machine in the article the project began with: one CPU, 1883844Ki of memory, 110 pods."""


def simulated_host(
    hostname: str, *, address: str, cpus: int = 4, memory: int = 8 * GIB, ephemeral_storage: int = 100 * GIB
) -> HostFacts:
    """A machine that exists only here; its ids follow from its name, so that two runs see the same machine."""
    return HostFacts(
        hostname=hostname,
        addresses=(address,),
        cpus=cpus,
        memory=memory,
        ephemeral_storage=ephemeral_storage,
        machine_id=hashlib.sha256(f"machine {hostname}".encode()).hexdigest()[:32],
        system_uuid=_named_uuid("system", hostname).upper(),
        boot_id=_named_uuid("boot", hostname),
        kernel_version="6.1.0",
        os_image="Simulated Linux",
    )


def local_host(root_dir: Path, memory_limit: int | None = None) -> HostFacts:
    """This machine, read from psutil, /proc, /sys and /etc.

    Args:
        root_dir: a directory on the file system whose size is the node's ephemeral storage; it must exist.
        memory_limit: bytes of memory that the node may use; None for all.
    """
    import psutil

    memory = psutil.virtual_memory().total
    return HostFacts(
        hostname=socket.gethostname(),
        addresses=local_addresses(),
        cpus=psutil.cpu_count() or 1,
        memory=memory if memory_limit is None else min(memory, memory_limit),
        ephemeral_storage=psutil.disk_usage(str(root_dir)).total,
        hugepages=_hugepages(Path("/sys/kernel/mm/hugepages")),
        machine_id=_first_line(Path("/etc/machine-id")),
        system_uuid=_first_line(Path("/sys/class/dmi/id/product_uuid")) or _first_line(Path("/etc/machine-id")),
        boot_id=_first_line(Path("/proc/sys/kernel/random/boot_id")),
        kernel_version=platform.release(),
        os_image=_os_image(Path("/etc/os-release")),
        operating_system=platform.system().lower(),
        architecture=_GO_ARCHITECTURES.get(platform.machine(), platform.machine()),
    )


_GO_ARCHITECTURES: Mapping[str, str] = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


def local_addresses() -> tuple[str, ...]:
    """This machine's IPv4 addresses except loopback, that of the default route first."""
    import psutil

    found = [
        address.address
        for _, addresses in sorted(psutil.net_if_addrs().items())
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    default = _default_route_address()
    return tuple(dict.fromkeys(([default] if default in found else []) + found))


def _default_route_address() -> str:
    """The source address that the kernel would use for a far destination; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""


def _named_uuid(kind: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind}.{name}"))


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _os_image(path: Path) -> str:
    for line in _first_line(path).splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip('"')
    return platform.system()


def _hugepages(directory: Path) -> dict[str, int]:
    """Bytes by page size, from directories such as `hugepages-2048kB`."""
    sizes: dict[str, int] = {}
    for entry in sorted(directory.glob("hugepages-*kB")):
        kib = int(entry.name.removeprefix("hugepages-").removesuffix("kB"))
        pages = int(_first_line(entry / "nr_hugepages") or 0)
        name = f"{kib // MIB}Gi" if kib % MIB == 0 else f"{kib // KIB}Mi"
        sizes[name] = pages * kib * KIB
    return sizes
