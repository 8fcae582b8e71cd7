"""Handling of Ctrl-C and SIGTERM. The first signal stops the runs at their next round, with a checkpoint. The second stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signal(announce: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Context manager that yields a function which returns whether SIGINT or SIGTERM has arrived.

    A second signal of either kind raises KeyboardInterrupt. The next signal of a job scheduler is SIGKILL, which a program cannot catch.
    """
    stopping = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        announce("stopping at the next round; finished runs are recorded, and interrupted runs can be resumed (Ctrl-C again stops at once)")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
