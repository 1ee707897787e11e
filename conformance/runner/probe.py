"""First contact with a target: is it a Kubernetes API, which one, and what does it serve."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any

from conformance.client import Answer, ApiClient, ApiRefused, is_list
from conformance.kinds import LEASE, NODE, Kind
from conformance.target import Facts, TargetError
from conformance.wire import NoAnswer


async def probe(client: ApiClient, address: str, kinds: Iterable[Kind]) -> Facts:
    """Asks a target for its version and for those of the given kinds that it serves.

    Raises:
        TargetError: it cannot be tested; the text is one clear line.
    """
    try:
        version = _version(await client.ask("GET", "/version"), address)
        groups = sorted({version.group_version for kind in kinds for version in kind.versions} | {"v1"})
        answers = await asyncio.gather(*(client.ask("GET", _discovery_path(group)) for group in groups))
    except NoAnswer as error:
        raise TargetError(str(error)) from error
    resources: set[str] = set()
    for group, answer in zip(groups, answers, strict=True):
        if answer.status in (401, 403):
            raise TargetError(_refusal(answer, address))
        if answer.status == 200 and isinstance(answer.body, dict):
            resources |= {f"{group}/{entry['name']}" for entry in answer.body.get("resources") or []}
    if "v1/nodes" not in resources:
        raise TargetError(f"{address} is not a Kubernetes API: discovery at /api/v1 lists no nodes")
    await _look_at_nodes(client, address)
    return Facts(version=version["gitVersion"], minor=_minor(version), resources=frozenset(resources))


async def _look_at_nodes(client: ApiClient, address: str) -> None:
    """Tells an API from something that knows what to answer to the first questions, and nothing else."""
    try:
        answer = await client.ask("GET", NODE.path(), query={"limit": "1"})
    except NoAnswer as error:
        raise TargetError(str(error)) from error
    if answer.status in (401, 403):
        raise TargetError(_refusal(answer, address))
    if answer.status == 200 and not is_list(answer.body):
        raise TargetError(f"{address} is not a Kubernetes API: GET {NODE.path()} was answered 200 with no list")


async def leader(client: ApiClient) -> str:
    """Who leads the controller managers, as their Lease says; empty when they elect nobody or do not tell.

    Raises:
        NoAnswer: the target does not answer.
    """
    try:
        lease = await client.get(LEASE.path("kube-system", "kube-controller-manager"))
    except ApiRefused:
        return ""
    return str(lease.get("spec", {}).get("holderIdentity") or "")


def _version(answer: Answer, address: str) -> dict[str, Any]:
    if answer.status in (401, 403):
        raise TargetError(_refusal(answer, address))
    if answer.status != 200 or not isinstance(answer.body, dict) or "gitVersion" not in answer.body:
        kind = answer.headers.get("content-type", "no content type")
        raise TargetError(f"{address} is not a Kubernetes API: GET /version was answered {answer.status} ({kind})")
    return answer.body


def _refusal(answer: Answer, address: str) -> str:
    message = answer.body.get("message", "") if isinstance(answer.body, dict) else ""
    what = "did not accept the credentials" if answer.status == 401 else "does not permit the suite to look around"
    return f"{address} {what}: {answer.status} {message or answer.text[:100]}".rstrip()


def _minor(version: dict[str, Any]) -> int:
    found = re.match(r"v?1\.(\d+)", str(version["gitVersion"])) or re.match(r"()(\d+)", str(version.get("minor", "")))
    if not found:
        raise TargetError(f"the target's version {version['gitVersion']!r} cannot be understood")
    return int(found.group(found.lastindex or 1))


def _discovery_path(group_version: str) -> str:
    return "/api/v1" if group_version == "v1" else f"/apis/{group_version}"
