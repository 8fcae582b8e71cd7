"""Handling of Ctrl-C and SIGTERM: the first stops at the next round and saves everything, the second stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signal(announce: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Context manager that yields a function which is true after SIGINT or SIGTERM. A second signal, of either kind, raises KeyboardInterrupt.

    That holds for SIGTERM too, because the next signal of a job scheduler cannot be caught.
    """
    stopping = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        announce("stopping at the next round; finished runs are recorded, and stopped runs can be resumed (Ctrl-C again stops at once)")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
