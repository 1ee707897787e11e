"""A namespace is deleted with what is in it."""

from __future__ import annotations

from conformance.client import existing
from conformance.drive import manifests
from conformance.drive.stage import Stage
from conformance.judge.pods import terminating
from conformance.kinds import NAMESPACE, POD
from conformance.naming import FINALIZER
from conformance.scenario import scenario
from conformance.timing import Timing

NOBODY = "nobody.invalid"


def _longest(timing: Timing) -> float:
    return 4 * timing.slack + timing.namespace_emptied().latest


@scenario(watches=(POD,), longest=_longest)
async def namespaces(stage: Stage) -> None:
    """A namespace with the pods `free` and `held`, which a finalizer keeps for a while, is deleted."""
    name = await stage.namespace("doomed")
    for role in ("free", "held"):
        await stage.pod(role, namespace=name, schedulerName=NOBODY)
    path = POD.path(name, stage.naming.name("held"))
    await stage.client.patch(path, {"metadata": {"finalizers": [FINALIZER]}})
    with stage.request("namespace deleted"):
        await stage.client.delete(NAMESPACE.path(name=name), {})
    metadata = {"name": stage.naming.name("late"), "namespace": name, "labels": stage.naming.labels("late")}
    late = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": manifests.pod_spec(stage.naming)}
    await stage.attempt("a pod comes late", POD, late)
    within = stage.timing.namespace_emptied().latest
    await stage.until(lambda: not stage.current(POD, "free") and terminating(stage.current(POD, "held")), within=within)
    await stage.hold(stage.timing.slack)
    await stage.ask("namespace with a held pod", "GET", NAMESPACE.path(name=name))
    with stage.request("held released"), existing():
        await stage.client.patch(path, {"metadata": {"finalizers": []}})
    await stage.until(lambda: not stage.current(POD, "held"), within=stage.timing.slack)
    began = stage.clock.monotonic()
    while (await stage.client.ask("GET", NAMESPACE.path(name=name))).status != 404:
        if stage.clock.monotonic() - began > within:
            break
        await stage.hold(1)
    await stage.ask("namespace in the end", "GET", NAMESPACE.path(name=name))
