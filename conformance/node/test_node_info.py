"""An agent says what it runs on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from conformance.drive.scenarios.node.start import agent_start
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.scenario import judges
from conformance.verdict import Violation

FIELDS = ("kubeletVersion", "containerRuntimeVersion", "operatingSystem", "architecture", "kernelVersion", "osImage")
IDS = ("machineID", "systemUUID", "bootID")
RUNTIME = re.compile(r"[A-Za-z0-9-]+://.+")
PROXY_VERSION_GONE = 33


def _info(seen: AgentSeen) -> Mapping[str, Any]:
    found: Mapping[str, Any] = wire.registration(seen)["status"].get("nodeInfo") or {}
    return found


@judges("N-INF-01", reads=agent_start)
def test_node_info_is_whole(seen: AgentSeen) -> None:
    info = _info(seen)
    lacking = [name for name in FIELDS if not info.get(name)] + [name for name in IDS if name not in info]
    if lacking:
        raise Violation(want="a whole nodeInfo", got=f"no {', '.join(lacking)}", about=seen.node_name)


@judges("N-INF-02", reads=agent_start)
def test_the_agents_version_is_told(seen: AgentSeen) -> None:
    got = _info(seen).get("kubeletVersion")
    if got != seen.facts.version:
        raise Violation(want=f"kubeletVersion {seen.facts.version}", got=f"{got}", about=seen.node_name)


@judges("N-INF-03", reads=agent_start)
def test_the_runtimes_version_has_a_scheme(seen: AgentSeen) -> None:
    got = str(_info(seen).get("containerRuntimeVersion"))
    if not RUNTIME.fullmatch(got):
        raise Violation(want="containerRuntimeVersion as name://version", got=got, about=seen.node_name)


@judges("N-INF-04", reads=agent_start)
def test_the_proxys_version_is_no_more_told(seen: AgentSeen) -> Iterator[Violation]:
    info = _info(seen)
    want = "" if seen.facts.minor >= PROXY_VERSION_GONE else info.get("kubeletVersion")
    got = info.get("kubeProxyVersion") or ""
    if got != want:
        yield Violation(want=f"kubeProxyVersion {want!r}", got=repr(got), about=seen.node_name)


@judges("N-X-03", reads=agent_start)
def test_no_taint_is_invented(seen: AgentSeen) -> None:
    given = [taint["key"] for taint in seen.mark("agent starts").facts.get("taints", ())]
    taints = wire.registration(seen).get("spec", {}).get("taints") or []
    invented = [taint["key"] for taint in taints if taint["key"] not in given]
    if invented:
        raise Violation(want="the given taints alone", got=f"also {', '.join(invented)}", about=seen.node_name)


@judges("N-X-06", reads=agent_start)
def test_volumes_are_attached_by_the_controller(seen: AgentSeen) -> None:
    key = "volumes.kubernetes.io/controller-managed-attach-detach"
    want = None if seen.facts.expected.get("attach-detach") == "false" else "true"
    got = (wire.registration(seen)["metadata"].get("annotations") or {}).get(key)
    if got != want:
        raise Violation(want=f"annotation {key} {want or 'absent'}", got=f"{got}", about=seen.node_name)
