"""Progress of a long preparation: a bar on a terminal, else a log line every few seconds. Both go to stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from bench.core.terminal import SafeConsole

log = logging.getLogger(__name__)

LINE_SECONDS = 10.0  # between two lines in a log

Advance = Callable[[int], None]  # takes the number of further items done


class _Rate(ProgressColumn):
    """Column with the number of items a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} a second", style="progress.data.speed")


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """Context manager that shows how many of `total` items are done. The block calls the yielded function with the number of further items."""
    if not sys.stderr.isatty():
        yield lines(what, total)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=SafeConsole(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def lines(what: str, total: int, clock: Callable[[], float] = time.monotonic) -> Advance:
    """Return a counter that logs a line whenever `LINE_SECONDS` have passed since the last one."""
    start = last = clock()
    done = 0

    def advance(count: int) -> None:
        """Add to the number of items that are done."""
        nonlocal done, last
        done += count
        now = clock()
        if now - last < LINE_SECONDS:
            return
        last = now
        rate = done / (now - start)
        left = f"{(total - done) / rate:,.0f} s left" if rate else "unknown time left"
        # A warning, because the command line shows nothing below that level.
        log.warning("%s: %s of %s, %s a second, %s", what, f"{done:,}", f"{total:,}", f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}", left)

    return advance
