"""Warnings of worker processes, told in the driver's terminal: through a small file that the worker writes and the driver reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class _Lines(logging.Handler):
    """Appends each record as a line of JSON. The file is made by the first."""

    def __init__(self, file: Path) -> None:
        super().__init__(logging.WARNING)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = json.dumps({"logger": record.name, "level": record.levelno, "text": self.format(record)})
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as lines:
                lines.write(text + "\n")
        except Exception:  # as every handler of the standard library does: logging must not stop what is logged
            self.handleError(record)


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Inside, what this process logs as a warning or worse is written there too, tracebacks included."""
    handler = _Lines(file)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)  # the process does other jobs after this one


class Relay:
    """Reads such a file as it grows, and logs what is in it here, under the job's name."""

    def __init__(self, name: str, file: Path) -> None:
        self._name = name
        self._file = file
        self._read = 0
        with suppress(OSError):
            file.unlink(missing_ok=True)  # of a driver that died

    def pass_on(self) -> None:
        """Log what is new."""
        try:
            with self._file.open("rb") as lines:
                lines.seek(self._read)
                whole, newline, _ = lines.read().rpartition(b"\n")  # the rest of a line that is being written comes next time
        except OSError:  # there is none yet; or it cannot be read, and none of its lines is worth the run
            return
        self._read += len(whole) + len(newline)
        for line in whole.splitlines():
            self._log(line)

    def _log(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            text = record["text"] if self._name in record["text"] else f"{self._name}: {record['text']}"
            logging.getLogger(record["logger"]).log(record["level"], "%s", text)
        except (ValueError, KeyError, TypeError, RecursionError):  # half a line, of a full disk
            logging.getLogger(__name__).warning("%s: %s", self._name, line.decode(errors="replace"))

    def close(self) -> None:
        """Log the rest, and remove the file."""
        self.pass_on()
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
