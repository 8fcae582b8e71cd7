"""Trials in a journal file, for one machine. Claims and workers are locks of the operating system beside it: they go with the process that holds them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from bench.errors import UserError, one_line
from bench.files import refusal
from studies.storage import WORKER, Storage, worker_name

LONGEST_LINE = 1_000_000  # bytes of a journal's first line that are looked at


class Journal(Storage):
    """A journal file, with its locks in a folder beside it."""

    def __init__(self, path: Path) -> None:
        self._path, self._locks = path, path.with_name(f"{path.name}.locks")
        self._locks.mkdir(parents=True, exist_ok=True)
        super().__init__(str(path), JournalStorage(JournalFileBackend(str(path), lock_obj=_AppendLock(path, self._locks / "append.lock"))))  # type: ignore[arg-type]

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        with FileLock(self._lock(f"claim-{name}")):
            yield

    @contextmanager
    def only(self, name: str) -> Iterator[bool]:
        """A lock of the operating system, if it is free."""
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

    def trouble(self, error: Exception) -> str:
        """What the system said of the file."""
        chain: BaseException | None = error
        while chain is not None:  # Optuna's own errors may hide it
            if isinstance(chain, OSError) and str(self._path) in str(chain.filename):
                return chain.strerror or str(chain)
            chain = chain.__cause__ or chain.__context__
        return ""

    def lives(self, trial: FrozenTrial) -> bool:
        """Whether somebody holds the lock of the trial's worker; one that nobody holds is taken away."""
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
    """The journal's own lock, which Optuna takes to append: one of the OS, so that the dead hold up nobody. Takes half a line away."""

    def __init__(self, path: Path, lock: Path) -> None:
        self._path, self._lock = path, FileLock(lock)

    def acquire(self) -> bool:
        """Wait for the lock, then take away what a writer left half done."""
        self._lock.acquire()
        with self._path.open("rb+") as file:  # a writer that died, or a full disk, may have left half a line
            end = file.seek(0, os.SEEK_END)
            keep = end
            while keep and _byte_before(file, keep) != b"\n":
                keep -= 1
            if keep < end:
                file.truncate(keep)
        return True

    def release(self) -> None:
        """Let the next one in."""
        self._lock.release()


def open_journal(path: Path) -> Storage:
    """The journal at a path, made if it is not there; what is none is a UserError, and is left alone."""
    path = path.absolute()
    if path.is_dir():
        raise UserError(f"--storage {str(path)!r} is a folder: give the path of a journal file")
    if why := refusal(path.parent):
        raise UserError(f"--storage {one_line(repr(str(path)), most=300)} cannot be written: {why}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("rb") as file:
            if not _is_journal(file.readline(LONGEST_LINE)):
                raise UserError(f"--storage {str(path)!r} is no journal of Optuna's: give another path")
        return Journal(path)
    except FileNotFoundError:
        return Journal(path)
    except OSError as error:
        raise UserError(f"--storage {str(path)!r} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, AssertionError) as error:
        raise UserError(f"--storage {str(path)!r} cannot be read as a journal: {one_line(error, most=120)}") from error


def _is_journal(line: bytes) -> bool:
    """Whether a file with this first line is a journal, or empty: nothing else is written to, or taken half a line from."""
    if not line:
        return True
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and isinstance(found.get("op_code"), int) and "worker_id" in found


def _byte_before(file: Any, position: int) -> bytes:
    file.seek(position - 1)
    return bytes(file.read(1))
