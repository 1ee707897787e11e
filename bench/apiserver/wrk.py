"""The same requests with wrk, where it is installed: a load that takes a fifth of the CPU of our own client.

Each benchmark is a Lua script. wrk does not say on which connection a request will go, so what must not be touched by
two requests at a time (a Lease and the version to replace) is taken from a list and put back by the answer.

Source: wrk 4, `SCRIPTING`.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence

from bench.apiserver.measure import CONNECTIONS, Sample, Server, Watch
from bench.apiserver.objects import (
    LEASES,
    NODES,
    STRATEGIC,
    fill,
    lease,
    lease_revision,
    node_name,
    status_patch,
    unique,
)
from bench.wire import Connection, Target

_STAMP, _NAME, _REVISION = "2001-01-01T01:01:01.000001Z", node_name(0), 4711
_SUMMARY = re.compile(r"requests (\d+) microseconds (\d+) refused (\d+) broken (\d+) slowest (\d+)")

_COMMON = """
local count = %d
local function stamp()
  count = count + 1
  return os.date("!%%Y-%%m-%%dT%%H:%%M:%%S", 1800000000 + math.floor(count / 1000000)),
    string.format(".%%06d", count %% 1000000)
end
local function put(text, pattern, value)
  local from, to = text:find(pattern, 1, true)
  return text:sub(1, from - 1) .. value .. text:sub(to + 1)
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("requests %%d microseconds %%d refused %%d broken %%d slowest %%d\\n", summary.requests,
    summary.duration, e.status, e.connect + e.read + e.write + e.timeout, latency.max))
end
"""

_GETS = """
local turn = 0
function request()
  turn = (turn + 1) % NODES
  return wrk.format("GET", string.format("PATH/bench-%05d", turn), HEAD)
end
"""

_LEASES = """
local free = REVISIONS
function request()
  local lease = table.remove(free)
  local seconds, fraction = stamp()
  local name = string.format("bench-%05d", lease[1])
  local body = put(put(put(put(BODY, "NAME", name), "NAME", name), "REVISION", lease[2]), "STAMP",
    seconds .. fraction .. "Z")
  return wrk.format("PUT", "PATH/" .. name, HEAD, body)
end
function response(status, headers, body)
  local number, revision = body:match('bench%-(%d+)'), body:match('"resourceVersion":%s*"(%d+)"')
  if number and revision then free[#free + 1] = {tonumber(number), revision} end
end
"""

_PATCHES = """
local turn = 0
function request()
  turn = (turn + 1) % NODES
  local body = BODY:gsub("STAMP", (stamp()) .. "Z"):gsub("MESSAGE", "beat " .. count)
  return wrk.format("PATCH", string.format("PATH/bench-%05d/status", turn), HEAD, body)
end
"""


def fits(target: Target) -> bool:
    """Whether wrk can be started, and would be let in: it has no client certificates."""
    return shutil.which("wrk") is not None and bool(target.token or target.tls is None)


async def gets(server: Server, duration: float) -> Sample:
    """Reads of one node."""
    await fill(server.target, CONNECTIONS)
    return await _run(server, duration, _filled(_GETS, NODES, _head(server)))


async def patches(server: Server, duration: float) -> Sample:
    """Strategic merge patches of node status, each with a new heartbeat."""
    await fill(server.target, CONNECTIONS)
    body = status_patch("STAMP", "MESSAGE").decode()
    return await _run(server, duration, _filled(_PATCHES, NODES, _head(server, STRATEGIC), body))


async def leases(server: Server, duration: float) -> Sample:
    """Lease renewals, each with a new time and the version it replaces."""
    revisions = await _revisions(server)
    known = _table(f'{{{number}, "{revision}"}}' for number, revision in enumerate(revisions))
    body = lease(0, _STAMP, _REVISION).decode()
    for text, word in ((_NAME, "NAME"), (_STAMP, "STAMP"), (str(_REVISION), "REVISION")):
        body = body.replace(text, word)
    script = _filled(_LEASES, LEASES, _head(server, "application/json"), body)
    return await _run(server, duration, script.replace("REVISIONS", known, 1))


def _filled(script: str, path: str, head: str, body: str = "") -> str:
    """A script with its paths, headers and body; `BODY` is a Lua long string, so nothing in it means anything."""
    filled = script.replace("PATH", path).replace("NODES", str(CONNECTIONS)).replace("HEAD", head)
    return _COMMON % unique() + filled.replace("BODY", f"([[{body}]])")


def _head(server: Server, content_type: str = "") -> str:
    headers = {"Authorization": f"Bearer {server.target.token}"} if server.target.token else {}
    if content_type:
        headers["Content-Type"] = content_type
    return _table(f'["{name}"] = "{value}"' for name, value in headers.items())


def _table(items: Iterable[str]) -> str:
    """A Lua table."""
    return f"{{{', '.join(items)}}}"


async def _revisions(server: Server) -> Sequence[int]:
    """The versions of the bench's leases, which are there afterwards; some more than connections."""
    connection = await Connection.open(server.target)
    found = [await lease_revision(connection, number) for number in range(2 * CONNECTIONS)]
    connection.close()
    return found


async def _run(server: Server, duration: float, script: str) -> Sample:
    """Runs wrk with one thread.

    Raises:
        RuntimeError: an answer was no success, or wrk failed.
    """
    target = server.target
    url = f"{'https' if target.tls else 'http'}://{target.host}:{target.port}"
    words = ("wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={max(1, round(duration))}s")
    watch = Watch(server, duration)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        wrk = await asyncio.create_subprocess_exec(
            *words, f"--script={file.name}", url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said = (await wrk.communicate())[0].decode(errors="replace")
    watch.count, seconds, slowest = summary(said)
    return watch.sample(seconds=seconds, **{"slowest ms": slowest})


def summary(said: str) -> tuple[int, float, float]:
    """Requests, seconds and milliseconds of the slowest, from what wrk printed.

    Raises:
        RuntimeError: an answer was no success, or there is no summary.
    """
    found = _SUMMARY.search(said)
    if found is None:
        raise RuntimeError(f"wrk said: {said}")
    requests, microseconds, refused, broken, slowest = map(int, found.groups())
    if refused or broken:
        raise RuntimeError(f"wrk: of {requests} requests {refused} were refused and {broken} got no answer")
    return requests, microseconds / 1e6, slowest / 1000
