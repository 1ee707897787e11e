"""Addresses of Services on a network device of this machine, which needs root; without a device nothing is done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

import attrs

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Device:
    """One device.

    Args:
        name: e.g. `lo`; empty for none.
    """

    name: str
    _added: dict[str, None] = attrs.field(factory=dict)

    async def add(self, address: str) -> None:
        """Gives the device an address; that it has it already, from a proxy before, is as good."""
        if self.name and address not in self._added and await self._ip("add", address):
            self._added[address] = None

    async def keep_only(self, addresses: Collection[str]) -> None:
        """Takes those addresses back that are not among these."""
        for address in [address for address in self._added if address not in addresses]:
            await self._ip("del", address)
            del self._added[address]

    async def _ip(self, verb: str, address: str) -> bool:
        words = ("addr", verb, f"{address}/{128 if ':' in address else 32}", "dev", self.name)
        try:
            process = await asyncio.create_subprocess_exec("ip", *words, stderr=asyncio.subprocess.PIPE)
        except OSError as error:
            log.warning("ip %s: %s", " ".join(words), error)
            return False
        _, said = await process.communicate()
        if process.returncode and b"File exists" not in said:
            log.warning("ip %s: %s", " ".join(words), said.decode(errors="replace").strip())
            return False
        return True
