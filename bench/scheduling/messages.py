"""Messages between workers and the driver: workers report progress and warnings, and the driver requests a stop.

Workers and driver exchange them through a message board, a Ray actor on the driver's node that every worker of a cluster reaches. This module
does not import torch, because the actor runs in its own process.
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
WorkerMessage = tuple[str, str]  # the key of a job, and the message of its worker as JSON
Exchange = Callable[[str, str], bool]  # sends (key, message), and returns whether the worker must stop


class MessageBoard:
    """Actor that stores messages of workers until the driver reads them."""

    def __init__(self) -> None:
        self._messages: list[WorkerMessage] = []
        self._stopping = False

    def post(self, key: str, message: str) -> bool:
        """Add a message, and return whether the worker must stop."""
        self._messages.append((key, message))
        return self._stopping

    def read(self) -> list[WorkerMessage]:
        """Return all new messages and remove them."""
        new, self._messages = self._messages, []
        return new

    def stop(self) -> None:
        """Request that all workers stop."""
        self._stopping = True


class WorkerReporter:
    """Context manager that reports the progress and the logged warnings of a job to the driver, a few times a second."""

    def __init__(self, key: str, exchange: Exchange) -> None:
        self._key, self._exchange = key, exchange
        self._progress: Mapping[str, Any] | None = None
        self._lines = _Lines()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._report_until_done, daemon=True)

    def progress(self, progress: Mapping[str, Any]) -> None:
        """Set the progress that the next exchange reports."""
        self._progress = progress

    def stop(self) -> bool:
        """Return whether the driver has requested a stop."""
        return self._stopping

    def __enter__(self) -> WorkerReporter:
        logging.getLogger().addHandler(self._lines)
        self._report()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        logging.getLogger().removeHandler(self._lines)  # the process does other jobs after this one
        self._report()

    def _report_until_done(self) -> None:
        while not self._done.wait(SECONDS):
            self._report()

    def _report(self) -> None:
        with self._lock:
            progress, self._progress = self._progress, None
            message = json.dumps({"progress": progress, "lines": self._lines.pop_all()})
        try:
            self._stopping = self._exchange(self._key, message) or self._stopping
        except Exception:  # Ray raises many kinds. The driver does not answer, so the job stops
            self._stopping = True


class _Lines(logging.Handler):
    """Logging handler that stores records of level WARNING and above, with tracebacks, until `pop_all`."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._records.append({"logger": record.name, "level": record.levelno, "text": self.format(record)})
        except Exception:  # as in every handler of the standard library: an error in logging must not stop the program
            self.handleError(record)

    def pop_all(self) -> list[dict[str, Any]]:
        records, self._records = self._records, []
        return records


def relay(name: str, lines: list[dict[str, Any]]) -> None:
    """Log the lines of a worker in this process, under the name of its job."""
    for line in lines:
        text = line["text"] if name in line["text"] else f"{name}: {line['text']}"
        logging.getLogger(line["logger"]).log(line["level"], "%s", text)
