"""Output in memory that says whether it is a terminal."""

from __future__ import annotations

import io


class Output(io.StringIO):
    """Text in memory. Rich and ganbench ask it whether it is a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        """Return whether this output is a terminal."""
        return self._terminal
