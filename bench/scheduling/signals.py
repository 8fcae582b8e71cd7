"""Ctrl-C, or SIGTERM: once stops at the next round with everything kept, twice stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signal(announce: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Inside, the first SIGINT or SIGTERM makes the yielded function true; any further one, of either kind, is a KeyboardInterrupt.

    Whoever sends SIGTERM twice wants an end now, too: a scheduler's next signal is the one that cannot be caught.
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        announce("stopping at the next round; what is finished is kept, what is under way can go on later (Ctrl-C again stops at once)")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
