"""How far a long preparation is: a bar on a terminal, a line in the log every few seconds elsewhere. Both go to stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

log = logging.getLogger(__name__)

LINE_SECONDS = 10.0  # between two lines in a log

Advance = Callable[[int], None]  # told how many more are done


class _Rate(ProgressColumn):
    """Images a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} a second", style="progress.data.speed")


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """Show how many of `total` things are done while the block runs; it calls what it is given with each further count."""
    if not sys.stderr.isatty():
        yield lines(what, total)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def lines(what: str, total: int, clock: Callable[[], float] = time.monotonic) -> Advance:
    """A counter that logs a line when `LINE_SECONDS` have passed since the last; nothing where all is done sooner."""
    start = last = clock()
    done = 0

    def advance(count: int) -> None:
        """So many more are done."""
        nonlocal done, last
        done += count
        now = clock()
        if now - last < LINE_SECONDS:
            return
        last = now
        rate = done / (now - start)
        left = f"{(total - done) / rate:,.0f} s left" if rate else "no end in sight"
        # A warning because the command line shows no less, and minutes of silence are worse.
        log.warning("%s: %s of %s, %s a second, %s", what, f"{done:,}", f"{total:,}", f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}", left)

    return advance
