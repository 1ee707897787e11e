"""Object rules that nodes, and those who deal with them, stand on."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master import object_rules as rules
from conformance.drive.scenarios.master.field_selectors import LASTS, STEPS, WATCHED, field_selectors
from conformance.drive.scenarios.master.object_rules import object_rules
from conformance.judge import answers, conditions
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-API-01", reads=object_rules)
def test_one_post_registers_a_node(seen: Seen) -> Iterator[Violation]:
    yield from answers.answered(seen, "whole is posted", 201, want="a node with spec and status is created")
    node = answers.body(seen, "whole is read")
    name = seen.name("whole")
    yield from answers.same(seen, "whole is read", {"capacity": rules.SIZE}, node.get("status") or {})
    info = (node["status"].get("nodeInfo") or {}).get("machineID")
    if info != name:
        yield Violation(want=f"nodeInfo as posted, machineID {name}", got=repr(info), about=name)
    found = {kind: one["status"] for kind, one in conditions.all_conditions(node).items()}
    if found != {"Ready": "True", "DiskPressure": "False"}:
        yield Violation(want="conditions Ready=True, DiskPressure=False as posted", got=str(found), about=name)


@judges("M-API-01", reads=object_rules)
def test_a_name_is_taken_once(seen: Seen) -> Iterator[Violation]:
    answers.body(seen, "whole is posted")
    want = "a second node of the name is refused"
    yield from answers.answered(seen, "whole is posted again", 409, want=want, reason="AlreadyExists")


@judges("M-API-02", reads=object_rules)
def test_each_path_writes_its_part_of_a_node(seen: Seen) -> Iterator[Violation]:
    """What was sent to the main path first would still be there when the status path is asked."""
    for name, cordoned, cpu in (
        ("main of a node is patched", True, "8"),
        ("main of a node is replaced", True, "8"),
        ("status of a node is patched", False, "3"),
        ("status of a node is replaced", False, "4"),
    ):
        node = answers.body(seen, name)
        got = (bool(node["spec"].get("unschedulable")), (node["status"].get("capacity") or {}).get("cpu"))
        if got != (cordoned, cpu):
            want = f"unschedulable {cordoned}, cpu {cpu} after '{name}'"
            yield Violation(want=want, got=f"{got[0]}, {got[1]}", at=seen.mark(name).at, about=seen.name("parts"))


@judges("M-API-02", reads=object_rules)
def test_each_path_writes_its_part_of_a_pod(seen: Seen) -> Iterator[Violation]:
    pod = answers.body(seen, "pod is patched")
    yield from answers.same(seen, "pod is patched", {"phase": "Pending"}, pod["status"])
    pod = answers.body(seen, "status of the pod is patched")
    yield from answers.same(seen, "status of the pod is patched", {"phase": "Running"}, pod["status"])
    want = {"nodeName": None, "activeDeadlineSeconds": None}
    yield from answers.same(seen, "status of the pod is patched", want, pod["spec"])
    want = {"deletionTimestamp": None, "ownerReferences": None}
    yield from answers.same(seen, "status of the pod is patched", want, pod["metadata"])
    if rules.MORE[0] in (pod["spec"].get("tolerations") or []):
        got = f"{rules.MORE[0]} among them"
        yield Violation(want="the pod's tolerations as they were", got=got, about=seen.name("pod"))


@judges("M-API-03", reads=object_rules)
def test_allocatable_is_the_capacity_unless_given(seen: Seen) -> Iterator[Violation]:
    for name, allocatable in (
        ("whole is read", rules.SIZE),
        ("partial is read", rules.PARTIAL),
        ("allocatable is withdrawn", rules.LARGER),
    ):
        status = answers.body(seen, name)["status"]
        yield from answers.same(seen, name, {"allocatable": allocatable}, status)


@judges("M-API-03", reads=object_rules)
def test_a_given_allocatable_stays_as_it_is(seen: Seen) -> Iterator[Violation]:
    name = "allocatable is given in part"
    found = (answers.body(seen, name)["status"].get("allocatable") or {}).get("cpu")
    yield from answers.same(seen, name, {"cpu": "1"}, {"cpu": found})


@judges("M-API-04", reads=object_rules)
def test_a_stale_node_is_not_written(seen: Seen) -> Iterator[Violation]:
    answers.body(seen, "a label is set")
    want = "a write with an old resourceVersion is refused"
    for name in ("stale node is replaced", "stale status is replaced", "stale node is patched"):
        yield from answers.answered(seen, name, 409, want=want, reason="Conflict")


@judges("M-API-08", reads=object_rules)
def test_another_object_of_the_name_is_not_written(seen: Seen) -> Iterator[Violation]:
    want = "a write that means another uid is refused"
    yield from answers.answered(seen, "another node of the name is replaced", 409, want=want, reason="Conflict")


@judges("M-API-08", reads=object_rules)
def test_a_patch_for_another_object_of_the_name_is_refused(seen: Seen) -> Iterator[Violation]:
    """An agent names the uid when it writes the status of a pod, so that no other pod of the name gets it."""
    for name in ("another pod of the name is patched", "status of another pod is patched"):
        if (status := answers.status(seen, name)) not in (409, 422):
            want = f"409 or 422, for a patch that means another uid: '{name}'"
            yield Violation(want=want, got=str(status), at=seen.mark(name).at, about=seen.name("pod"))


@judges("M-API-08", reads=object_rules)
def test_the_server_says_who_an_object_is_and_since_when(seen: Seen) -> Iterator[Violation]:
    metadata = answers.body(seen, "claims are posted")["metadata"]
    claimed = {"uid": rules.NOBODY, "creationTimestamp": rules.LONG_AGO, "deletionTimestamp": rules.LONG_AGO}
    for field, value in claimed.items():
        if metadata.get(field) == value:
            want = f"the server's own {field}, whatever was posted"
            yield Violation(want=want, got=value, about=seen.name("claiming"))
    created = answers.body(seen, "pod is read")["metadata"]["creationTimestamp"]
    patched = answers.body(seen, "the creation is patched")["metadata"]
    yield from answers.same(seen, "the creation is patched", {"creationTimestamp": created}, patched)


@judges("M-API-09", reads=object_rules)
def test_a_write_that_changes_nothing_makes_no_version(seen: Seen) -> Iterator[Violation]:
    before = answers.body(seen, "the creation is patched")["metadata"]["resourceVersion"]
    after = answers.body(seen, "nothing is patched")["metadata"]
    yield from answers.same(seen, "nothing is patched", {"resourceVersion": before}, after)


@judges("M-API-04", reads=object_rules)
def test_senseless_nodes_are_refused(seen: Seen) -> Iterator[Violation]:
    for name in (*rules.WRONG_STATUS, "negative allocatable", "a negative node is posted", *rules.WRONG_TAINTS):
        yield from answers.answered(seen, name, 422, want="it is refused", reason="Invalid")


@judges("M-API-04", reads=object_rules)
def test_a_key_may_have_several_effects(seen: Seen) -> Iterator[Violation]:
    yield from answers.answered(
        seen, "two effects of a key", 200, want="taints of one key and two effects are accepted"
    )


@judges("M-API-04", reads=object_rules)
def test_the_pod_range_of_a_node_never_changes(seen: Seen) -> Iterator[Violation]:
    if answers.status(seen, "podCIDR is set") == 422:
        name = "podCIDR is set"
    else:
        answers.body(seen, "podCIDR is set")
        name = "podCIDR is changed"
    yield from answers.answered(seen, name, 422, want="another podCIDR is refused", reason="Invalid")
    if name == "podCIDR is changed":
        yield from answers.answered(seen, "podCIDR is taken", 422, want="no podCIDR is refused", reason="Invalid")


@judges("M-API-04", reads=object_rules)
def test_allocatable_may_exceed_capacity(seen: Seen) -> Iterator[Violation]:
    yield from answers.answered(seen, "allocatable exceeds capacity", 200, want="it is accepted")


@judges("M-API-04", reads=object_rules)
def test_devices_are_requested_up_to_their_limit(seen: Seen) -> Iterator[Violation]:
    for name in rules.WRONG_DEVICES:
        yield from answers.answered(seen, name, 422, want="the pod is refused", reason="Invalid")


@judges("M-API-05", reads=object_rules)
def test_a_strategic_patch_merges_conditions(seen: Seen) -> Iterator[Violation]:
    found = set(conditions.all_conditions(answers.body(seen, "strategic patch")))
    lost = sorted({"Ready", "MemoryPressure", "DiskPressure"} - found)
    if lost:
        yield Violation(want="the conditions not in the patch stay", got=f"{', '.join(lost)} gone")


@judges("M-API-05", reads=object_rules)
def test_a_merge_patch_replaces_conditions(seen: Seen) -> Iterator[Violation]:
    found = sorted(conditions.all_conditions(answers.body(seen, "merge patch")))
    if found != ["Ready"]:
        yield Violation(want="only Ready, as in the patch", got=", ".join(found))


@judges("M-API-06", reads=field_selectors)
def test_lists_select_by_fields(seen: Seen) -> Iterator[Violation]:
    for name, roles in (
        ("list of the host's pods", ["moving"]),
        ("list of pending pods", ["staying"]),
        ("list of pending pods of the host", []),
        ("list of pods of others", ["staying"]),
        ("list of the host", ["host"]),
        ("list of cordoned nodes", ["host"]),
    ):
        found = seen.mark(name).facts["roles"]
        if list(found) != roles:
            yield Violation(want=f"{name}: {roles}", got=str(found), at=seen.mark(name).at)


@judges("M-API-06", reads=field_selectors)
def test_nobody_selects_by_what_is_no_field(seen: Seen) -> Iterator[Violation]:
    want = "a selector of a field that cannot be selected by is refused"
    yield from answers.answered(seen, "list by an unknown field", 400, want=want, reason="BadRequest")


@judges("M-API-11", reads=field_selectors)
def test_a_watch_tells_everything_since_its_version(seen: Seen) -> Iterator[Violation]:
    mark = seen.mark("a watch of the past")
    told = [(kind, step) for kind, step in mark.facts["told"]]
    want = [("MODIFIED", step) for step in STEPS]
    about = seen.name("staying")
    if told != want and told == want[: len(told)] and mark.facts["seconds"] < LASTS - 0.5:
        raise NotExercised("the watch was cut off too early", about=about)
    if told != want:
        yield Violation(want=f"the changes since the version, in order: {want}", got=str(told), at=mark.at, about=about)


@judges("M-API-11", reads=field_selectors)
def test_a_watch_lasts_as_long_as_it_was_asked_for(seen: Seen) -> Iterator[Violation]:
    mark = seen.mark("a watch of the past")
    if mark.facts["seconds"] > LASTS + seen.timing.slack:
        want = f"the watch ended by the server after {LASTS} s"
        yield Violation(want=want, got="it went on", at=mark.at, about=seen.name("staying"), level="SHOULD")


@judges("M-API-06", reads=field_selectors)
def test_watches_tell_who_comes_and_goes(seen: Seen) -> Iterator[Violation]:
    told = [mark.name for mark in seen.history.marks]
    for name, role, types in (
        ("pods of the host", "moving", ("ADDED", "MODIFIED")),
        ("pending pods", "moving", ("ADDED", "DELETED")),
        ("cordoned nodes", "host", ("ADDED", "DELETED")),
        ("the host", "host", ("ADDED",)),
    ):
        for kind in types:
            want = WATCHED.format(name=name, type=kind, role=role)
            if want not in told:
                others = [line for line in told if line.startswith(f"{name} told")]
                yield Violation(want=f"the watch '{want}'", got=f"{others}", about=seen.name(role))


@judges("M-API-06", reads=field_selectors)
def test_watches_do_not_tell_of_others(seen: Seen) -> Iterator[Violation]:
    for mark in seen.history.marks:
        name, told, _ = mark.name.partition(" told ")
        stranger = {"pods of the host": "staying", "the host": "other", "cordoned nodes": "other"}.get(name)
        if told and stranger and mark.name.endswith(f" {stranger}"):
            yield Violation(want=f"the watch of {name} tells of them only", got=mark.name, at=mark.at)
