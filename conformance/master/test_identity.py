"""What the agent of a node may write: its own node, Lease and pods."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.identity import WRONG_LABELS, identity
from conformance.judge import identities
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import Unsupported, Violation

_OWNERS_SINCE = 34
"""1.34 keeps agents from their owner references; older versions do so from some patch release on."""


@judges("M-AUTH-01", reads=identity)
def test_an_agent_writes_its_own_node(seen: Seen) -> Iterator[Violation]:
    want = "an agent writes its own node"
    yield from identities.granted(seen, identities.OWN_STATUS, 200, want=want)
    yield from identities.granted(seen, "annotation of own node", 200, want=want)


@judges("M-AUTH-01", reads=identity)
def test_an_agent_leaves_other_nodes_alone(seen: Seen) -> Iterator[Violation]:
    want = "an agent writes no other node"
    names = ("status of other node", "annotation of other node", "registration of another node")
    yield from identities.refused(seen, *names, want=want)


@judges("M-AUTH-01", reads=identity)
def test_an_agent_sets_taints_only_when_it_registers(seen: Seen) -> Iterator[Violation]:
    yield from identities.granted(seen, "registration with taints", 201, want="an agent registers with taints")
    yield from identities.refused(seen, "own taints", want="an agent does not change its taints")


@judges("M-AUTH-01", reads=identity)
def test_an_agent_does_not_choose_the_owners_of_its_node(seen: Seen) -> Iterator[Violation]:
    if seen.facts.minor < _OWNERS_SINCE:
        raise Unsupported(f"owner references are kept from agents since 1.{_OWNERS_SINCE}")
    yield from identities.refused(seen, "own owner references", want="an agent does not change who owns its node")


@judges("M-AUTH-02", reads=identity)
def test_an_agent_does_not_set_labels_of_the_project(seen: Seen) -> Iterator[Violation]:
    yield from identities.refused(
        seen, *(f"{name} later" for name in WRONG_LABELS), want="an agent may not label its node so"
    )


@judges("M-AUTH-02", reads=identity)
def test_an_agent_does_not_register_with_labels_of_the_project(seen: Seen) -> Iterator[Violation]:
    yield from identities.refused(
        seen, *(f"{name} at registration" for name in WRONG_LABELS), want="an agent may not register so"
    )


@judges("M-AUTH-03", reads=identity)
def test_an_agent_writes_its_own_lease_only(seen: Seen) -> Iterator[Violation]:
    yield from identities.granted(seen, "own Lease", 200, want="an agent writes its own Lease")
    names = ("other Lease", "Lease of nobody", "own Lease elsewhere")
    yield from identities.refused(seen, *names, want="an agent writes no other Lease")


@judges("M-AUTH-03", reads=identity)
def test_an_agent_writes_its_own_pods_only(seen: Seen) -> Iterator[Violation]:
    yield from identities.granted(seen, "status of own pod", 200, want="an agent writes the status of its pods")
    yield from identities.granted(seen, "deletion of own pod", 200, want="an agent deletes its pods")
    names = ("status of other pod", "eviction of other pod", "deletion of other pod")
    yield from identities.refused(seen, *names, want="an agent touches no other pod")


@judges("M-AUTH-03", reads=identity)
def test_an_agent_creates_mirror_pods_only(seen: Seen) -> Iterator[Violation]:
    yield from identities.granted(seen, "mirror pod", 201, want="an agent creates mirrors of what it runs")
    yield from identities.refused(seen, "ordinary pod", want="an agent creates no other pod")
