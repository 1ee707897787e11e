"""Faults in what an agent makes of its settings and of its machine."""

from __future__ import annotations

from decimal import Decimal

import attrs

from refimpl.api import quantity
from refimpl.kubelet import configfile
from refimpl.kubelet.config import ConfigError
from refimpl.kubelet.control import Control
from refimpl.kubelet.node import addresses, capacity, heartbeat, nodestatus, registration
from refimpl.kubelet.node.addresses import NoAddress
from refimpl.kubelet.node.capacity import Device
from refimpl.kubelet.node.heartbeat import StatusReporter
from refimpl.kubelet.node.registration import Registrar
from refimpl.kubelet.node.selfcheck import SelfCheck
from tests.faults.harness import Fault, replaced, together

_allocatable = capacity.allocatable
_capacity = capacity.capacity
_check_address = addresses.check_address
_check_runtime = SelfCheck.check_runtime
_eviction_reservation = capacity.eviction_reservation
_images_listed = nodestatus.images_listed
_initial_taints = nodestatus.initial_taints
_node_addresses = addresses.node_addresses
_read = StatusReporter.read


async def _tried_once(self):
    return bool(await self.attempt())


def _only_a_conflict(error, era):
    return error.reason == "AlreadyExists"


def _fatal(address, host):
    try:
        _check_address(address, host)
    except NoAddress as error:
        raise ConfigError(str(error)) from error


def _always_marked(config):
    return [taint for taint in _initial_taints(config) if "cloudprovider" not in taint["key"]]


def _own_addresses(status, identity):
    status["addresses"] = _node_addresses(identity.config, identity.host)


def _all_images(images, longest):
    return _images_listed(images, -1)


def _small_images_first(images, longest):
    return _images_listed(images, longest)[::-1]


def _all_names(images, longest):
    by_size = {image.size: image for image in images}
    listed = _images_listed(images, longest)
    return [{**each, "names": list(by_size[each["sizeBytes"]].names)} for each in listed]


def _tags_first(images, longest):
    return [{**each, "names": each["names"][::-1]} for each in _images_listed(images, longest)]


def _without_pages(config, host, devices, known, *, withheld=()):
    found = _capacity(config, host, devices, known, withheld=withheld)
    return {name: text for name, text in found.items() if not name.startswith("hugepages-")}


def _in_pages(config, host, devices, known, *, withheld=()):
    found = _capacity(config, host, devices, known, withheld=withheld)
    return {name: str(int(quantity.parse(text)) >> 21) if "hugepages" in name else text for name, text in found.items()}


def _with_pages(capacity_, reservation, devices, known):
    found = _allocatable(capacity_, reservation, devices, known)
    return {**found, "memory": capacity.less(capacity_["memory"], reservation.get("memory", Decimal(0)))}


def _as_known(capacity_, reservation, devices, known):
    return dict(known) if known else _allocatable(capacity_, reservation, devices, known)


def _always_reserved(config, capacity_, thresholds):
    return _eviction_reservation(
        attrs.evolve(config, experimental_allocatable_ignore_eviction=False), capacity_, thresholds
    )


def _below_zero(text, amount):
    parsed = quantity.of(text)
    return quantity.to_text(parsed.amount - amount, parsed.notation)


async def _always_asked(self, attempt):
    return await self._client.request("GET", self._path)


async def _never_asked(self, attempt):
    return self._cached() or await _read(self, attempt)


async def _once_and_for_all(self):
    if not self.runtime_errors() or self._checked is None:
        await _check_runtime(self)


def _forgotten(self, resource):
    self._check.devices.pop(resource, None)


def _told_as_gone(config, host, devices, known, *, withheld=()):
    found = _capacity(config, host, devices, known, withheld=withheld)
    return {name: text for name, text in found.items() if name not in devices or devices[name].total}


def _all_healthy(capacity_, reservation, devices, known):
    found = _allocatable(capacity_, reservation, devices, known)
    return {**found, **{name: capacity_[name] for name in devices if name in capacity_}}


FAULTS = [
    Fault(
        "a forbidden registration is the end",
        ("N-X-02",),
        together(replaced(Registrar, "register", _tried_once), replaced(registration, "must_adopt", _only_a_conflict)),
        2,
    ),
    Fault(
        "a forbidden registration is only tried again",
        ("N-X-02",),
        replaced(registration, "must_adopt", _only_a_conflict),
    ),
    Fault("any address is told", ("N-X-04",), replaced(addresses, "check_address", lambda address, host: None)),
    Fault("a wrong address is the end", ("N-X-04",), replaced(addresses, "check_address", _fatal)),
    Fault("a cloud's node is open at once", ("N-X-05",), replaced(nodestatus, "initial_taints", _always_marked)),
    Fault(
        "a cloud is not told the address",
        ("N-X-05",),
        replaced(nodestatus, "with_provided_address", lambda metadata, config: metadata),
    ),
    Fault(
        "addresses of the cloud are overwritten",
        ("N-X-05",),
        replaced(nodestatus, "_set_addresses", _own_addresses),
        15,
    ),
    Fault("all images are told", ("N-X-07",), replaced(nodestatus, "images_listed", _all_images)),
    Fault("small images come first", ("N-X-07",), replaced(nodestatus, "images_listed", _small_images_first)),
    Fault("all names of images are told", ("N-X-07",), replaced(nodestatus, "images_listed", _all_names)),
    Fault("tags come before digests", ("N-X-07",), replaced(nodestatus, "images_listed", _tags_first)),
    Fault("huge pages are not told", ("N-X-09",), replaced(capacity, "capacity", _without_pages)),
    Fault("huge pages are told by number", ("N-X-09",), replaced(capacity, "capacity", _in_pages)),
    Fault("huge pages are memory for pods", ("N-ALC-05",), replaced(capacity, "allocatable", _with_pages)),
    Fault(
        "a node that does not know itself is ready",
        ("N-X-10",),
        replaced(capacity, "missing", lambda capacity, *, ephemeral_storage: []),
    ),
    Fault("eviction is always reserved for", ("N-X-11",), replaced(capacity, "eviction_reservation", _always_reserved)),
    Fault("reservations are those of the first start", ("N-X-12",), replaced(capacity, "allocatable", _as_known)),
    Fault("the node is always asked for", ("N-X-13",), replaced(StatusReporter, "read", _always_asked)),
    Fault("the master is never asked for the node", ("N-X-13",), replaced(StatusReporter, "read", _never_asked)),
    Fault("after a pause the runtime is missed", ("N-X-14",), replaced(SelfCheck, "check_runtime", _once_and_for_all)),
    Fault(
        "more may be reserved than there is",
        ("N-ALC-06",),
        replaced(capacity, "over_reserved", lambda capacity, reservation: []),
    ),
    Fault(
        "allocatable is below zero",
        ("N-ALC-06",),
        together(
            replaced(capacity, "over_reserved", lambda capacity, reservation: []),
            replaced(capacity, "less", _below_zero),
        ),
    ),
    Fault("devices outlive their plugin", ("N-CAP-07",), replaced(Control, "remove_plugin", _forgotten), 21),
    Fault("devices vanish with their plugin", ("N-CAP-07",), replaced(capacity, "capacity", _told_as_gone)),
    Fault(
        "broken devices are not counted", ("N-CAP-07",), replaced(Device, "total", property(lambda self: self.healthy))
    ),
    Fault("broken devices can be had", ("N-CAP-07",), replaced(capacity, "allocatable", _all_healthy)),
    Fault(
        "a file that says how often to look says no more",
        ("N-HB-09",),
        replaced(configfile, "with_report_frequency", dict),
    ),
    Fault(
        "the status is told at every look",
        ("N-HB-09",),
        replaced(heartbeat, "report_interval", lambda frequency, *, spread, drawn: 0.0),
        33,
    ),
]
