"""What a worker tells the driver while it works (how far it is, what it warns of) and what it is told: to stop.

Between the two stands a board, an actor on the driver's node that every worker of a cluster reaches. Imports no torch: the actor is a
process of its own.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)
SECONDS = 0.3  # between two exchanges
WorkerMessage = tuple[str, str]  # the key of a job, and what its worker has to tell, as JSON
Exchange = Callable[[str, str], bool]  # tells of a job, and is answered whether to stop


class MessageBoard:
    """Holds news until the driver reads them."""

    def __init__(self) -> None:
        self._news: list[WorkerMessage] = []
        self._stopping = False

    def tell(self, key: str, told: str) -> bool:
        """Add news; return whether to stop."""
        self._news.append((key, told))
        return self._stopping

    def read(self) -> list[WorkerMessage]:
        """All that is new."""
        new, self._news = self._news, []
        return new

    def stop(self) -> None:
        """Answer every worker that it is to stop."""
        self._stopping = True


class WorkerReporter:
    """Inside, this process tells of its job a few times a second, and what it logs as a warning or worse with it."""

    def __init__(self, key: str, exchange: Exchange) -> None:
        self._key, self._exchange = key, exchange
        self._progress: Mapping[str, Any] | None = None
        self._lines = _Lines()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def progress(self, progress: Mapping[str, Any]) -> None:
        """How far the job is; told with the next exchange."""
        self._progress = progress

    def stop(self) -> bool:
        """Whether the driver has said so."""
        return self._stopping

    def __enter__(self) -> WorkerReporter:
        logging.getLogger().addHandler(self._lines)
        self._tell()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        logging.getLogger().removeHandler(self._lines)  # the process does other jobs after this one
        self._tell()

    def _go_on(self) -> None:
        while not self._done.wait(SECONDS):
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            progress, self._progress = self._progress, None
            told = json.dumps({"progress": progress, "lines": self._lines.take()})
        try:
            self._stopping = self._exchange(self._key, told) or self._stopping
        except Exception:  # Ray raises many kinds. The driver is gone, and Ray ends its workers; until then, stop.
            self._stopping = True


class _Lines(logging.Handler):
    """Keeps what is logged as a warning or worse, tracebacks included, until it is taken."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._records.append({"logger": record.name, "level": record.levelno, "text": self.format(record)})
        except Exception:  # as every handler of the standard library does: logging must not stop what is logged
            self.handleError(record)

    def take(self) -> list[dict[str, Any]]:
        taken, self._records = self._records, []
        return taken


def relay(name: str, lines: list[dict[str, Any]]) -> None:
    """Log a worker's lines here, under its job's name."""
    for line in lines:
        text = line["text"] if name in line["text"] else f"{name}: {line['text']}"
        logging.getLogger(line["logger"]).log(line["level"], "%s", text)
