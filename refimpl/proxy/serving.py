"""A proxy's servers: one for itself, and one on the health check port of every Service that has one.

GET /healthz           200 {"lastUpdated": ..., "currentTime": ..., "nodeEligible": true}, or 503
GET /livez             the same, whether or not the node is leaving
GET /proxyMode         the mode, as text
GET /proxyz            the rules in force as JSON, each with the address at which it is reached
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from aiohttp import web

from refimpl.clock import Clock
from refimpl.proxy.dataplane import DataPlane
from refimpl.proxy.health import Health

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 1.0

Page = Callable[[], tuple[int, object]]
"""Answers with a status and with text, or with what becomes JSON."""


class ProxyServers:
    """Serves one proxy's health.

    Args:
        clock: time.
        health: what is told.
        plane: whose rules are listed.
        mode: of the proxy.
        bind: HOST:PORT; empty means nowhere.
    """

    def __init__(self, clock: Clock, health: Health, plane: DataPlane, mode: str, bind: str) -> None:
        self._clock = clock
        self._health = health
        self._plane = plane
        self._mode = mode
        self._host, _, port = bind.rpartition(":")
        self._port = int(port or 0)
        self._bind = bind
        self._checks: dict[int, web.AppRunner] = {}
        self._own: web.AppRunner | None = None

    async def open(self) -> str:
        """Listens; returns the URL of the health page, empty when there is none.

        Raises:
            OSError: the address cannot be had.
        """
        if not self._bind:
            return ""
        pages: dict[str, Page] = {
            "/healthz": self._health.healthz,
            "/livez": self._health.livez,
            "/proxyMode": lambda: (200, self._mode),
            "/proxyz": lambda: (200, self._plane.listing()),
        }
        self._own = await _serve(pages, self._host, self._port)
        host, port = self._own.addresses[0][:2]
        return f"http://{host}:{port}/healthz"

    async def run(self) -> None:
        """Keeps the servers of health checks those of the rules, until cancelled."""
        try:
            while True:
                await self._look()
                await self._clock.sleep(_LOOK_EVERY)
        finally:
            for runner in (*self._checks.values(), *([self._own] if self._own else ())):
                await runner.cleanup()

    async def _look(self) -> None:
        wanted = [check.port for check in self._health.checks]
        for port in [port for port in self._checks if port not in wanted]:
            await self._checks.pop(port).cleanup()
        for port in wanted:
            if port not in self._checks:
                try:
                    self._checks[port] = await _serve({"/": partial(self._health.check, port)}, self._host, port)
                except OSError as error:
                    log.warning("health check port %d: %s", port, error)


async def _serve(pages: Mapping[str, Page], host: str, port: int) -> web.AppRunner:
    app = web.Application()
    for path, page in pages.items():
        app.router.add_get(path, _handler(page))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host or None, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


def _handler(page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        status, body = page()
        if isinstance(body, str):
            kind = "application/json" if body.startswith("{") else "text/plain"
            return web.Response(status=status, text=body, content_type=kind)
        return web.json_response(body, status=status)

    return handle
