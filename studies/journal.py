"""Trials in a journal file, for one machine.

Locks are locks of the operating system in a folder next to the file. The system releases them when the process ends.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from bench.core.atomic_files import refusal
from bench.core.errors import UserError, one_line
from studies.storage import WORKER, Storage, worker_name

log = logging.getLogger(__name__)

UNREADABLE = (ValueError, KeyError, TypeError, AssertionError, RecursionError)  # errors of Optuna for damaged lines
BLOCK = 4096  # bytes at the end of a journal for the first read
LONGEST_LINE = 1_000_000  # bytes of a journal's first line to check


class FileStorage(Storage):
    """Storage in a journal file, with its locks in a folder next to it."""

    def __init__(self, path: Path) -> None:
        self._path, self._locks = path, path.with_name(f"{path.name}.locks")
        self._locks.mkdir(parents=True, exist_ok=True)
        lock = _AppendLock(path, self._locks / "append.lock")
        backend = JournalFileBackend(str(path), lock_obj=lock)  # type: ignore[arg-type]
        lock.acquire()  # acquiring repairs the end of the file before the first read
        lock.release()
        super().__init__(str(path), JournalStorage(backend))

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        with FileLock(self._lock(f"claim-{name}")):  # the file name of earlier versions
            yield

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Context manager that holds a lock of the operating system if it is free. Yields True if it holds the lock."""
        lock = FileLock(self._lock(f"only-{name}"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @contextmanager
    def worker(self, of: str) -> Iterator[str]:
        name = worker_name(of)
        lock = FileLock(self._worker_lock(name))
        with lock:
            yield name
        Path(lock.lock_file).unlink(missing_ok=True)

    def error_text(self, error: Exception) -> str:
        """Return the system's error for the file, or the number of its damaged line. Returns "" for other errors."""
        chain: BaseException | None = error
        while chain is not None:  # Optuna's errors may wrap it
            if isinstance(chain, OSError) and str(self._path) in str(chain.filename):
                return chain.strerror or str(chain)
            if isinstance(chain, UNREADABLE) and (number := _damaged_line(self._path)):
                return f"its line {number} is damaged"
            chain = chain.__cause__ or chain.__context__
        return ""

    def is_alive(self, trial: FrozenTrial) -> bool:
        """Return whether the lock of the trial's worker is held. Removes a lock file without a holder."""
        path = Path(self._worker_lock(str(trial.user_attrs[WORKER])))
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
        path.unlink(missing_ok=True)
        return False

    def _worker_lock(self, name: str) -> str:
        return self._lock(f"worker-{name.partition(':')[2]}")

    def _lock(self, name: str) -> str:
        return str(self._locks / f"{name.replace('/', '-')}.lock")


class _AppendLock:
    """Lock under which Optuna appends to the journal.

    It is a lock of the operating system, so a killed process does not block others. `acquire` removes a damaged end of the file.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self._path, self._lock = path, FileLock(lock)

    def acquire(self) -> bool:
        """Wait for the lock, then remove damaged lines at the end of the file, for example after a power cut or with a full disk."""
        self._lock.acquire()
        try:
            removed = _repair(self._path)
        except BaseException:
            self._lock.release()
            raise
        if removed:
            log.warning(
                "%s: removed %d bytes of damaged records at its end; the study continues with the records before these", self._path, removed
            )
        return True

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()


def open_journal(path: Path) -> Storage:
    """Open the journal at a path, or create it. Raises UserError for any other file and does not change that file."""
    path = path.absolute()
    if path.is_dir():
        raise UserError(f"--storage {str(path)!r} is a folder: use the path of a journal file")
    if why := refusal(path.parent):
        raise UserError(f"--storage {one_line(repr(str(path)), most=300)} cannot be written: {why}; use another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("rb") as file:
            if not _is_journal(file.readline(LONGEST_LINE)):
                raise UserError(f"--storage {str(path)!r} is not a journal of Optuna: use another path")
        return FileStorage(path)
    except FileNotFoundError:
        return FileStorage(path)
    except OSError as error:
        raise UserError(f"--storage {str(path)!r} cannot be read: {error.strerror or error}; use another path") from error
    except UNREADABLE as error:
        number = _damaged_line(path)
        why = f"line {number} is damaged" if number else one_line(error, most=120)
        raise UserError(f"--storage {str(path)!r} cannot be read as a journal: {why}; use another path") from error


def _is_journal(line: bytes) -> bool:
    """Return whether a file with this first line is a journal or empty. The storage never writes or repairs another file."""
    return not line or _is_record(line)


def _is_record(line: bytes) -> bool:
    """Return whether a line is a record of Optuna."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("op_code"), int) and "worker_id" in found


def _repair(path: Path) -> int:
    """Truncate a journal after its last complete record. Returns the number of removed bytes."""
    with path.open("rb+") as file:
        end = keep = file.seek(0, os.SEEK_END)
        while keep:
            start, line = _last_line(file, keep)
            if line.endswith(b"\n") and _is_record(line):
                break
            keep = start
        file.seek(0)
        first = file.readline(LONGEST_LINE)
        torn = not keep and not first.endswith(b"\n")  # the first write is incomplete
        if keep == end or not (torn or _is_record(first)):
            return 0
        file.truncate(keep)
        return end - keep


def _last_line(file: BinaryIO, end: int) -> tuple[int, bytes]:
    """Return the start of the last line before `end`, and the line with its line end if it has one."""
    reach = BLOCK
    while True:
        begin = max(0, end - reach)
        file.seek(begin)
        read = file.read(end - begin)
        start = read.rfind(b"\n", 0, -1) + 1
        if start or not begin:
            return begin + start, read[start:]
        reach *= 4


def _damaged_line(path: Path) -> int:
    """Return the number of the first damaged line, or 0."""
    with path.open("rb") as file:
        return next((number for number, line in enumerate(file, start=1) if not _is_record(line)), 0)
