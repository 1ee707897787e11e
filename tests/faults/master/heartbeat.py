"""Faults in what the master takes for a heartbeat."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import attrs

from refimpl.api.errors import ApiError
from refimpl.api.resources import NODES
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import parse_time
from refimpl.controllers.node_lifecycle import health
from refimpl.controllers.node_lifecycle.monitor import LEASE_NAMESPACE, NodeMonitor
from tests.faults.harness import Fault, replaced

_notice_beats = health.notice_beats
_notice_status = health._notice_status
_given_up_conditions = health.given_up_conditions
_lease_of = NodeMonitor._lease_of


def _never_silent(_health, _grace, _now):
    return False


def _silent_at_half_time(known, grace, now):
    return now > known.probed_at + timedelta(seconds=grace / 2)


def _silent_late(known, grace, now):
    return now > known.probed_at + timedelta(seconds=grace * 1.5)


def _startup_grace_for_all(_ready, config):
    return config.node_startup_grace_period


def _no_lease_counts(node, ready, lease, known, now):
    return _notice_beats(node, ready, None, known, now)


def _only_leases_count(node, ready, lease, known, now):
    noticed = _notice_status(node, ready, known, now)
    if known is not None and known.ready is not None:
        noticed = attrs.evolve(noticed, probed_at=known.probed_at, lease=known.lease)
    if lease is not None and health.lease_beat(known.lease if known else None, lease):
        return health.Health(now, noticed.ready, lease)
    return noticed


def _posted_times_are_believed(node, ready, lease, known, now):
    noticed = _notice_beats(node, ready, lease, known, now)
    posted = [ready["lastHeartbeatTime"]] if ready else []
    posted += [lease["spec"]["renewTime"]] if lease else []
    return attrs.evolve(noticed, probed_at=max(map(parse_time, posted))) if posted else noticed


def _posted_status_times_are_believed(node, ready, known, now):
    noticed = _notice_status(node, ready, known, now)
    posted = parse_time(ready["lastHeartbeatTime"]) if ready else noticed.probed_at
    return attrs.evolve(noticed, probed_at=posted) if noticed.probed_at == now else noticed


def _later_renewal_than_now_counts(node, ready, lease, known, now):
    noticed = _notice_beats(node, ready, lease, known, now)
    ahead = lease is not None and parse_time(lease["spec"]["renewTime"]) > now
    return attrs.evolve(noticed, probed_at=now) if ahead else noticed


def _lease_duration_is_the_grace(known, grace, now):
    if known.lease is not None:
        grace = known.lease["spec"]["leaseDurationSeconds"]
    return now > known.probed_at + timedelta(seconds=grace)


def _any_lease_write(saved, lease):
    return saved is None or saved["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]


def _another_renew_time(saved, lease):
    return saved is None or saved["spec"]["renewTime"] != lease["spec"]["renewTime"]


def _only_own_leases(saved, lease):
    return lease["spec"].get("holderIdentity") == lease["metadata"]["name"] and _lease_beat(saved, lease)


_lease_beat = health.lease_beat


def _lease_in_any_namespace(self, name):
    found = [lease for lease in self.leases.list() if lease["metadata"]["name"] == name]
    return max(found, key=lambda lease: lease["spec"]["renewTime"], default=None)


def _lease_by_holder(self, name):
    held = [lease for lease in self.leases.list() if lease["spec"].get("holderIdentity") == name]
    held = [lease for lease in held if lease["metadata"]["namespace"] == LEASE_NAMESPACE]
    return max(held, key=lambda lease: lease["spec"]["renewTime"], default=None)


def _everybodys_lease(self, name):
    found = [lease for lease in self.leases.list() if lease["metadata"]["namespace"] == LEASE_NAMESPACE]
    return max(found, key=lambda lease: lease["spec"]["renewTime"], default=None)


def _any_status_change(saved, ready):
    return True


def _only_later_status_times(saved, ready):
    return parse_time(saved["lastHeartbeatTime"]) < parse_time(ready["lastHeartbeatTime"])


def _any_change_of_the_node(node, ready, known, now):
    noticed = _notice_status(node, ready, known, now)
    if ready is None or known is None:
        return noticed
    stamped = {**ready, "seen": node["metadata"]["resourceVersion"]}
    if (known.ready or {}).get("seen") == stamped["seen"]:
        return known
    return health.Health(now, stamped)


async def _recover_by_lease(self):
    for node in self.nodes.list():
        name, lease = node["metadata"]["name"], self._lease_of(node["metadata"]["name"])
        known = self.memory.health.get(name)
        given_up = known is not None and known.ready is not None and known.ready["status"] == "Unknown"
        if given_up and lease is not None and health.lease_beat(known.lease, lease):
            conditions = [{**c, "status": "True"} if c["type"] == "Ready" else c for c in node["status"]["conditions"]]
            await self.writer.write_conditions(node, conditions)
    await _look(self)


_look = NodeMonitor.look


async def _a_lease_makes_a_node(self):
    # The controller's own credentials do not let it create nodes.
    master = Client(DirectTransport(self.writer.client._transport._handle), timeout=None)
    for lease in self.leases.list():
        name = lease["metadata"]["name"]
        if lease["metadata"]["namespace"] == LEASE_NAMESPACE and self.nodes.get(name) is None:
            with suppress(ApiError):
                await master.create(NODES, {"metadata": {"name": name}})
    await _look(self)


def _by(name, by):
    return replaced(health, name, by)


FAULTS = (
    Fault("startup grace for all", ("M-HB-03",), _by("grace_period", _startup_grace_for_all)),
    Fault("never times out", ("M-HB-03",), _by("is_silent", _never_silent), 2),
    Fault("times out at half the grace", ("M-HB-03",), _by("is_silent", _silent_at_half_time), 3),
    Fault("times out at one and a half", ("M-HB-03",), _by("is_silent", _silent_late)),
    Fault("ignores leases", ("M-HB-01", "M-HB-06"), _by("notice_beats", _no_lease_counts), 4),
    Fault("ignores status writes", ("M-HB-02",), _by("notice_beats", _only_leases_count), 5),
    Fault("believes posted times", ("M-HB-07",), _by("notice_beats", _posted_times_are_believed), 6),
    Fault("believes posted status times", ("M-REG-03",), _by("_notice_status", _posted_status_times_are_believed), 6),
    Fault("a future renewal keeps a node alive", ("M-HB-07",), _by("notice_beats", _later_renewal_than_now_counts), 6),
    Fault("lease duration is the grace", ("M-HB-06",), _by("is_silent", _lease_duration_is_the_grace), 7),
    Fault("any write of the lease counts", ("M-HB-05",), _by("lease_beat", _any_lease_write), 8),
    Fault("any other renewal counts", ("M-HB-05",), _by("lease_beat", _another_renew_time), 8),
    Fault("only leases held by the node itself count", ("M-HB-06",), _by("lease_beat", _only_own_leases)),
    Fault(
        "lease of any namespace counts", ("M-HB-08",), replaced(NodeMonitor, "_lease_of", _lease_in_any_namespace), 9
    ),
    Fault("lease is found by its holder", ("M-HB-08",), replaced(NodeMonitor, "_lease_of", _lease_by_holder), 9),
    Fault("one beat refreshes all nodes", ("M-HB-08",), replaced(NodeMonitor, "_lease_of", _everybodys_lease), 10),
    Fault("a lease makes a node", ("M-HB-08",), replaced(NodeMonitor, "look", _a_lease_makes_a_node)),
    Fault("any look at the status counts", ("M-HB-04",), _by("status_beat", _any_status_change)),
    Fault("any change of the node counts", ("M-HB-04",), _by("_notice_status", _any_change_of_the_node)),
    Fault("status times must grow", ("M-HB-04",), _by("status_beat", _only_later_status_times)),
    Fault("lease renewal makes a node ready", ("M-HB-09",), replaced(NodeMonitor, "look", _recover_by_lease), 16),
)
