"""Probes and hooks over the network: `httpGet` and `tcpSocket` as a real runtime carries them out."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from refimpl.api.errors import Object


async def carry_out(action: Object, host: str) -> str:
    """Carries out an action against a pod's address; what went wrong, empty for success."""
    try:
        if "tcpSocket" in action:
            return await tcp_connect(action["tcpSocket"].get("host") or host, action["tcpSocket"]["port"])
        return await http_get(action["httpGet"], host)
    except OSError as error:
        return str(error.strerror or error)


async def tcp_connect(host: str, port: int) -> str:
    """Opens a connection and closes it."""
    _, writer = await asyncio.open_connection(host, port)
    await _close(writer)
    return ""


async def http_get(action: Object, host: str) -> str:
    """Asks for a page; statuses from 200 to 399 are success. Certificates are not checked, as in the kubelet."""
    target, port = action.get("host") or host, action["port"]
    tls = ssl._create_unverified_context() if action.get("scheme") == "HTTPS" else None  # noqa: SLF001
    reader, writer = await asyncio.open_connection(target, port, ssl=tls)
    try:
        headers = {"Host": f"{target}:{port}", "User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
        headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or ()}
        lines = [f"GET {action.get('path') or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        return _judged(await reader.readline())
    finally:
        await _close(writer)


def _judged(status_line: bytes) -> str:
    parts = status_line.split()
    if len(parts) < 2 or not parts[1].isdigit():
        return "malformed HTTP response"
    code = int(parts[1])
    return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
