"""Checks before a report is written, and atomic writes of its files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.core.atomic_files import refusal, write_atomic
from bench.core.errors import UserError, one_line


def check_folder(path: Path, option: str) -> None:
    """Raise a UserError for a folder that cannot be created or written. The check leaves no file on the disk."""
    if why := refusal(path):
        raise UserError(f"{option}: cannot write to {one_line(repr(str(path)), most=300)}: {why}; choose another folder")


def check_file(path: Path, option: str) -> None:
    """Raise a UserError for a file that cannot be written, or whose path is a folder. The check leaves no file on the disk."""
    check_folder(path.parent, option)
    if path.is_dir():
        raise UserError(f"{option}: {str(path)!r} is a folder; give the path of a file")


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Context manager that creates a folder if needed, and holds its lock. It leaves no file.

    If the folder cannot be created, or its file system has no locks, the block runs without a lock."""
    handle = None
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)  # releases the lock


def write_all(files: Mapping[Path, bytes], what: str) -> None:
    """Write files one after the other, each atomically, and make their folders. Raise a UserError for a file that cannot be written."""
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data, settled=False)  # no fsync, because a user can write a report again after a system crash
    except OSError as error:
        raise UserError(f"cannot write {what}: {error.strerror or error}; choose another folder or free space") from error
