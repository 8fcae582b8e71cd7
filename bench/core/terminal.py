"""Console for untrusted text, and the log handler that prints to it. Imports no torch."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.logging import RichHandler
from rich.segment import Segment
from rich.text import Text

from bench.core.text import harmless


class SafeConsole(Console):
    """Console that shows all texts without control characters: lines, cells of tables, bars and log records."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of a renderable. Rich calls it for each text, also for those inside tables and bars."""
        if isinstance(renderable, str):
            renderable = harmless(renderable)
        elif isinstance(renderable, Text):
            renderable = renderable.copy()
            renderable.plain = harmless(renderable.plain)
        return super().render(renderable, options)


def is_terminal(console: Console) -> bool:
    """Return whether a console writes to a terminal that can move its cursor, so that it can show bars.

    `Console.is_terminal` is also true for a pipe if the environment has FORCE_COLOR, as in Jupyter. That variable is about colours only.
    """
    return console.file.isatty() and not console.is_dumb_terminal


def log_to(console: SafeConsole, level: int) -> None:
    """Send log records from `level` up to a console."""
    logging.basicConfig(level=level, format="%(message)s", handlers=[RichHandler(console=console, show_path=False, show_time=False)])
