"""SIGTERM ends a run as Ctrl-C does: with clean-up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """While it lasts, SIGTERM (what CI systems send) interrupts like SIGINT.

    So it does where SIGINT is ignored, as in what a shell script has put in the background. There, too, an interrupt
    has to be what `asyncio.Runner` makes of it, which cancels the task that is waited for: a `KeyboardInterrupt` in
    the middle of just any task would end that one, and the clean-up would meet it once more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
