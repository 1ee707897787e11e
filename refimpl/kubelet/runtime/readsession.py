"""Open streams of something that only says things: a log that is followed, a command that is over at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import attrs

from refimpl.kubelet.runtime.base import Stream


@attrs.define(eq=False)
class ReadSession:
    """See `refimpl.kubelet.runtime.base.Session`.

    Args:
        lines: its output; it ends with what is followed.
        code: its exit code, once it has ended.
    """

    lines: AsyncGenerator[bytes, None]
    code: Callable[[], int]

    async def output(self) -> AsyncGenerator[tuple[Stream, bytes], None]:
        """See `Session`."""
        async for chunk in self.lines:
            if chunk:
                yield "stdout", chunk

    async def write(self, data: bytes) -> None:
        """See `Session`: nobody reads it."""

    async def close_input(self) -> None:
        """See `Session`: it is closed already."""

    async def resize(self, width: int, height: int) -> None:
        """See `Session`: there is no terminal."""

    async def exit_code(self) -> int:
        """See `Session`."""
        return self.code()

    async def close(self) -> None:
        """See `Session`."""
        await self.lines.aclose()


async def whole(content: bytes) -> AsyncGenerator[bytes, None]:
    """Output that is there already."""
    yield content
