"""The folder of downloaded files, with a lock and atomic writes for several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from bench.core import atomic_files
from bench.core.errors import UserError

ENVIRONMENT_VARIABLE = "GANBENCH_CACHE"
LOCK_SECONDS = 900.0  # longer than the slowest fetch


def cache_root() -> Path:
    """Return the folder of all cached data: `$GANBENCH_CACHE`, else the user's cache folder of this platform."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(chosen).expanduser().resolve() if chosen else platformdirs.user_cache_path("ganbench")


@contextmanager
def locked(folder: Path, *, timeout_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Context manager that holds the lock of a cache folder, and creates the folder. The system releases the lock when the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=timeout_seconds)
    except Timeout as error:
        raise UserError(
            f"another process has held {folder / '.lock'} for {timeout_seconds:g} s: wait until it finishes, or end it"
        ) from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file of the cache atomically. Raises a UserError."""
    try:
        atomic_files.write_atomic(path, content)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write to the data cache {folder} ({error.strerror or error}): point {ENVIRONMENT_VARIABLE} at a writable folder"
    )
