"""What the agent of a node may write: its own node, Lease and pods."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.identity import WRONG_LABELS, identity
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
def test_an_agent_does_not_delete_its_node(seen: Seen) -> Iterator[Violation]:
    yield from identities.granted(seen, "registration with taints", 201, want="an agent registers")
    yield from identities.refused(seen, "deletion of own node", want="an agent does not delete its node")


@judges("M-AUTH-01", reads=identity)
def test_the_name_alone_makes_no_agent(seen: Seen) -> Iterator[Violation]:
    want = "who is not in the group system:nodes is no agent"
    yield from identities.refused(seen, "status of own node by an outsider", want=want)


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
def test_an_agent_sets_labels_of_its_own(seen: Seen) -> Iterator[Violation]:
    want = "an agent labels its node with what is neither of the project nor unknown to it"
    yield from identities.granted(seen, "own label", 200, want=want)


@judges("M-AUTH-02", reads=identity)
def test_an_agent_leaves_restricted_labels_of_its_node_alone(seen: Seen) -> Iterator[Violation]:
    want = "what an administrator gave, the agent neither takes nor changes"
    yield from identities.refused(seen, "given label is taken", "given label by the status", want=want)


@judges("M-AUTH-02", reads=identity)
def test_an_agent_does_not_register_with_labels_of_the_project(seen: Seen) -> Iterator[Violation]:
    yield from identities.refused(
        seen, *(f"{name} at registration" for name in WRONG_LABELS), want="an agent may not register so"
    )


@judges("M-AUTH-03", reads=identity)
def test_an_agent_writes_its_own_lease_only(seen: Seen) -> Iterator[Violation]:
    yield from identities.granted(seen, "own Lease", 200, want="an agent writes its own Lease")
    names = ("other Lease", "Lease of nobody", "own Lease elsewhere", "Lease of nobody is deleted")
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


@judges("M-AUTH-03", reads=identity)
def test_a_mirror_pod_belongs_to_its_node_and_refers_to_nothing(seen: Seen) -> Iterator[Violation]:
    names = ("mirror with a secret", "mirror on another node", "mirror of nobody", "mirror of a node that was")
    yield from identities.refused(seen, *names, want="an agent creates no such pod")


@judges("M-AUTH-03", reads=identity)
def test_an_agent_does_not_label_its_pods(seen: Seen) -> Iterator[Violation]:
    names = ("labels of own pod", "labels of own pod by its status")
    yield from identities.refused(seen, *names, want="an agent does not change what selects its pods")


@judges("M-AUTH-04", reads=identity)
def test_an_agent_reads_the_secrets_of_its_pods_only(seen: Seen) -> Iterator[Violation]:
    identities.heard(seen)
    for whose, due in (("own", True), ("other", False)):
        name = f"{whose} secret may be read"
        if identities.allowed(seen, name) is not due:
            want = f"an agent {'may' if due else 'may not'} read the secret of a pod on {whose} node"
            yield Violation(want=want, got=f"it {'may not' if due else 'may'}", at=seen.mark(name).at)


@judges("M-AUTH-05", reads=identity)
def test_an_agent_reads_its_own_node_and_pods_only(seen: Seen) -> Iterator[Violation]:
    for name in ("own node is read", "own pods are listed"):
        yield from identities.granted(seen, name, 200, want="an agent reads its node and its pods")
    reads = ("other node is read", "other pod is read", "other Lease is read")
    names = (*reads, "all pods are listed", "pods of the other node are listed")
    yield from identities.refused(seen, *names, want="an agent reads nothing of other nodes")
