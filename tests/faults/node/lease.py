"""Faults in how an agent keeps its Lease."""

from __future__ import annotations

from refimpl.api.errors import ApiError
from refimpl.api.resources import LEASES
from refimpl.clock import Clock
from refimpl.kubelet.node import lease
from refimpl.kubelet.node.lease import NAMESPACE, LeaseController
from tests.faults.harness import Fault, replaced

_new_lease = lease.new_lease
_renewed = lease.renewed
_put = LeaseController._put
_sync = LeaseController.sync
_get_or_create = LeaseController._get_or_create
_owner_reference = lease.owner_reference


async def _none(self):
    return None


async def _in_another_namespace(self):
    uid = await self._owner_uid()
    made = _new_lease(self._name, self._duration, self._clock.micro_timestamp(), uid)
    made["metadata"]["namespace"] = "default"
    try:
        return await self._client.request("GET", LEASES.path("default", self._name)), False
    except ApiError:
        return await self._client.request("POST", LEASES.path("default"), made), True


def _lasting(duration):
    def made(name, _duration, renew_time, owner_uid):
        return _new_lease(name, duration, renew_time, owner_uid)

    return made


def _held_by_the_kubelet(name, duration, renew_time, owner_uid):
    made = _new_lease(name, duration, renew_time, owner_uid)
    made["spec"]["holderIdentity"] = "kubelet"
    return made


def _with_an_acquire_time(name, duration, renew_time, owner_uid):
    made = _new_lease(name, duration, renew_time, owner_uid)
    made["spec"]["acquireTime"] = renew_time
    return made


def _owned_by_a_controller(name, uid):
    return {**_owner_reference(name, uid), "controller": True}


async def _patched(self, lease):
    path, spec = LEASES.path(NAMESPACE, self._name), {"spec": {"renewTime": lease["spec"]["renewTime"]}}
    return await self._client.request("PATCH", path, spec, content_type="application/merge-patch+json")


async def _created_anew(self, lease):
    path = LEASES.path(NAMESPACE, self._name)
    await self._client.request("DELETE", path)
    made = _new_lease(self._name, self._duration, lease["spec"]["renewTime"], await self._owner_uid())
    return await self._client.request("POST", LEASES.path(NAMESPACE), made)


def _counting_transitions(base, duration, renew_time):
    made = _renewed(base, duration, renew_time)
    made["spec"]["leaseTransitions"] = made["spec"].get("leaseTransitions", 0) + 1
    return made


async def _reading_first(self):
    self._latest = None
    await _sync(self)


async def _without_a_version(self, lease):
    metadata = {key: value for key, value in lease["metadata"].items() if key != "resourceVersion"}
    return await _put(self, {**lease, "metadata": metadata})


async def _without_an_owner(self):
    try:
        return await _get_or_create(self)
    except lease.OwnerUnknown:
        made = _new_lease(self._name, self._duration, self._clock.micro_timestamp(), "")
        del made["metadata"]["ownerReferences"]
        return await self._client.request("POST", LEASES.path(NAMESPACE), made), True


async def _deletes_what_it_finds(self):
    if self._latest is None:
        try:
            await self._client.request("DELETE", LEASES.path(NAMESPACE, self._name))
        except ApiError:
            return await _get_or_create(self)
    return await _get_or_create(self)


def _same_time(base, duration, renew_time):
    return _renewed(base, duration, base["spec"]["renewTime"])


def _every(seconds):
    return lambda self: seconds


def _too_late(self):
    return 10.0 if self._latest is None else 45.0


def _in_local_time(self):
    return "2001-02-03T04:05:06.000000Z"


FAULTS = [
    Fault("there is no lease", ("N-LSE-01",), replaced(LeaseController, "run", _none)),
    Fault(
        "the lease is in another namespace",
        ("N-LSE-01",),
        replaced(LeaseController, "_get_or_create", _in_another_namespace),
        39,
    ),
    Fault("the lease ignores the configured duration", ("N-LSE-02",), replaced(lease, "new_lease", _lasting(15)), 40),
    Fault("the lease is held by another name", ("N-LSE-02",), replaced(lease, "new_lease", _held_by_the_kubelet)),
    Fault("the lease has an acquire time", ("N-LSE-02",), replaced(lease, "new_lease", _with_an_acquire_time)),
    Fault("renewTime has whole seconds", ("N-LSE-02",), replaced(Clock, "micro_timestamp", Clock.timestamp), 41),
    Fault(
        "the lease's owner is a controller", ("N-LSE-03",), replaced(lease, "owner_reference", _owned_by_a_controller)
    ),
    Fault(
        "the lease's owner has no uid of the node",
        ("N-LSE-03",),
        replaced(lease, "owner_reference", lambda name, uid: _owner_reference(name, name)),
    ),
    Fault("the lease is renewed too late", ("N-LSE-04",), replaced(LeaseController, "interval", _every(30.0)), 42),
    Fault("the lease is renewed every second", ("N-LSE-04",), replaced(LeaseController, "interval", _every(1.0)), 42),
    Fault("the lease is renewed after it ended", ("N-LSE-12",), replaced(LeaseController, "interval", _too_late), 42),
    Fault("the lease is patched", ("N-LSE-04",), replaced(LeaseController, "_put", _patched), 43),
    Fault("the lease is posted anew each time", ("N-LSE-04",), replaced(LeaseController, "_put", _created_anew), 43),
    Fault("renewals count transitions", ("N-LSE-04",), replaced(lease, "renewed", _counting_transitions)),
    Fault("the lease is read before each renewal", ("N-LSE-05",), replaced(LeaseController, "sync", _reading_first)),
    Fault("renewals carry no version", ("N-LSE-05",), replaced(LeaseController, "_put", _without_a_version)),
    Fault(
        "the lease comes before its node",
        ("N-LSE-06",),
        replaced(LeaseController, "_get_or_create", _without_an_owner),
        44,
    ),
    Fault(
        "an existing lease is deleted at the start",
        ("N-LSE-08",),
        replaced(LeaseController, "_get_or_create", _deletes_what_it_finds),
    ),
    Fault("renewals keep the old time", ("N-LSE-12",), replaced(lease, "renewed", _same_time)),
    Fault("renewTime is not the time", ("N-LSE-12",), replaced(Clock, "micro_timestamp", _in_local_time)),
]
