"""Which daemon pods to create and which to delete: the decision, without the doing.

Source: kube-controller-manager 1.36 `daemon_controller.go` (`podsShouldBeOnNode`), `update.go` (`rollingUpdate`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating, labels
from refimpl.controllers.daemonset import placement
from refimpl.controllers.daemonset.placement import TEMPLATE_GENERATION, TEMPLATE_GENERATION_LABEL, Verdict
from refimpl.controllers.workloads import pods
from refimpl.controllers.workloads.numbers import scaled
from refimpl.controllers.workloads.revisions import hash_of

BURST = 250
"""At most this many pods are created, and as many deleted, at a time."""

OnNodes = Mapping[str, Sequence[Object]]
"""Daemon pods by node, the one to keep first."""


@attrs.frozen
class View:
    """What the decision is made from.

    Attributes:
        daemonset: the DaemonSet.
        verdicts: what each existing node is to it.
        on_nodes: its pods by the node they run on or were made for.
        revision_hash: of the present template.
        holding_back: seconds for which a failed pod of a node is still to be left alone.
        now: the time.
    """

    daemonset: Object
    verdicts: Mapping[str, Verdict]
    on_nodes: OnNodes
    revision_hash: str
    holding_back: Callable[[str], float]
    now: datetime


@attrs.frozen
class Decision:
    """What is to be done.

    Attributes:
        create: nodes that need a pod.
        delete: pods to delete.
        failed: those among them that failed, and succeeded ones; both are told in an event.
        wait: seconds after which to decide again, or None.
    """

    create: tuple[str, ...] = ()
    delete: tuple[Object, ...] = ()
    finished: tuple[Object, ...] = ()
    wait: float | None = None


def verdicts(daemonset: Object, nodes: Iterable[Object]) -> dict[str, Verdict]:
    """Judges every node."""
    demands = placement.demands_of(daemonset)
    return {node["metadata"]["name"]: placement.judge(demands, node) for node in nodes}


def by_node(mine: Iterable[Object]) -> OnNodes:
    """Groups pods by node; a terminating pod that has finished counts as gone already."""
    groups: dict[str, list[Object]] = {}
    for pod in mine:
        if not (pods.is_terminal(pod) and is_terminating(pod)):
            groups.setdefault(placement.target_node(pod), []).append(pod)
    for group in groups.values():
        group.sort(key=_seniority)
    return groups


def is_current(pod: Object, view: View) -> bool:
    """Whether the pod is of the present template."""
    generation = (view.daemonset["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION)
    if generation and labels(pod).get(TEMPLATE_GENERATION_LABEL) == generation:
        return True
    return hash_of(pod) == view.revision_hash


def surges(daemonset: Object) -> bool:
    """Whether an update starts the new pod before it stops the old one."""
    rolling = (daemonset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return rolling.get("maxSurge") not in {None, 0, "0%"}


def manage(view: View) -> Decision:
    """One pod on every node that wants one, none where none may be."""
    create: list[str] = []
    delete: list[Object] = []
    finished: list[Object] = []
    waits: list[float] = []
    for name, verdict in view.verdicts.items():
        present = view.on_nodes.get(name, ())
        if verdict.runs and not present:
            create.append(name)
        elif not verdict.keeps:
            delete += [pod for pod in present if not is_terminating(pod)]
        else:
            done = [pod for pod in present if pods.is_terminal(pod) and not is_terminating(pod)]
            wait = view.holding_back(name) if any(pods.phase(pod) == "Failed" for pod in done) else 0.0
            if wait > 0:
                waits.append(wait)
                done = [pod for pod in done if pods.phase(pod) != "Failed"]
            finished += done
            delete += [*done, *_surplus(view, present)]
            if verdict.runs and surges(view.daemonset) and _all_leaving(present):
                create.append(name)
    homeless = [pod for name, present in view.on_nodes.items() if name not in view.verdicts for pod in present]
    delete += [pod for pod in homeless if not pods.node_of(pod) and not is_terminating(pod)]
    return Decision(tuple(create[:BURST]), tuple(delete[:BURST]), tuple(finished), min(waits, default=None))


def _all_leaving(present: Sequence[Object]) -> bool:
    return all(is_terminating(pod) for pod in present)


def _surplus(view: View, present: Sequence[Object]) -> Sequence[Object]:
    """Pods beyond the one of a node; while an update surges, one old and one new pod may be there."""
    running = [pod for pod in present if pods.is_active(pod)]
    if not surges(view.daemonset):
        return running[1:]
    new = [pod for pod in running if is_current(pod, view)]
    old = [pod for pod in running if not is_current(pod, view)]
    if new and old and pods.is_available(new[0], _min_ready_seconds(view), view.now):
        return [*new[1:], *old]
    return [*new[1:], *old[1:]]


def update(view: View) -> Decision:
    """The next pods to replace in a rolling update, as many as may be missing or too many at a time."""
    rolling = (view.daemonset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    desired = sum(verdict.runs for verdict in view.verdicts.values())
    surge = scaled(rolling.get("maxSurge"), desired, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable", 1), desired, round_up=True)
    if surge == 0:
        return _replace(view, max(unavailable, 1))
    return _surge(view, surge)


def _replace(view: View, allowed: int) -> Decision:
    missing = 0
    broken: list[Object] = []
    candidates: list[Object] = []
    for present in view.on_nodes.values():
        new, old = _sides(view, present)
        if len(new) + len(old) != 1:
            missing += 1
        elif new:
            missing += not _available(view, new[0])
        elif _available(view, old[0]):
            candidates.append(old[0])
        else:
            broken.append(old[0])
            missing += 1
    spare = max(0, allowed - missing)
    return Decision(delete=(*broken, *candidates[:spare]))


def _surge(view: View, allowed: int) -> Decision:
    surging = 0
    replaced: list[Object] = []
    broken: list[str] = []
    candidates: list[str] = []
    for name, present in view.on_nodes.items():
        new, old = _sides(view, present)
        if len(new) > 1 or len(old) > 1:
            surging += 1
        elif old and new:
            surging += not _available(view, new[0])
            replaced += old if _available(view, new[0]) else []
        elif old:
            (candidates if _available(view, old[0]) else broken).append(name)
    spare = max(0, allowed - surging)
    return Decision(create=(*broken, *candidates[:spare]), delete=tuple(replaced))


def _sides(view: View, present: Sequence[Object]) -> tuple[list[Object], list[Object]]:
    """Pods of the present template and older ones, terminating ones left aside."""
    staying = [pod for pod in present if not is_terminating(pod)]
    new = [pod for pod in staying if is_current(pod, view)]
    return new, [pod for pod in staying if not is_current(pod, view)]


def _available(view: View, pod: Object) -> bool:
    return pods.is_available(pod, _min_ready_seconds(view), view.now)


def _min_ready_seconds(view: View) -> int:
    return int(view.daemonset["spec"].get("minReadySeconds") or 0)


def _seniority(pod: Object) -> tuple[bool, str, str]:
    metadata = pod["metadata"]
    return not pods.node_of(pod), metadata.get("creationTimestamp", ""), metadata["name"]


def calculate_status(view: View, *, decided: bool) -> Object:
    """The new `status`.

    Args:
        view: what is there.
        decided: whether the present generation was acted on, so that `observedGeneration` may say so.
    """
    known = view.daemonset.get("status") or {}
    counts = dict.fromkeys(("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"), 0)
    updated = available = 0
    for name, verdict in view.verdicts.items():
        present = view.on_nodes.get(name, ())
        if not verdict.runs:
            counts["numberMisscheduled"] += bool(present)
            continue
        counts["desiredNumberScheduled"] += 1
        if present:
            counts["currentNumberScheduled"] += 1
            counts["numberReady"] += pods.is_ready(present[0])
            available += _available(view, present[0])
            updated += is_current(present[0], view)
    status: Object = dict(counts)
    generation = view.daemonset["metadata"].get("generation", 0)
    optional = {
        "observedGeneration": generation if decided else known.get("observedGeneration", 0),
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": counts["desiredNumberScheduled"] - available,
        "collisionCount": known.get("collisionCount", 0),
    }
    return status | {field: value for field, value in optional.items() if value}
