"""Atomic writes of files, and checks that a folder can be written."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from bench.core.errors import UserError, one_line


def refusal(folder: Path) -> str:
    """Return the reason why a folder cannot be written, or an empty text. For a missing folder, check its nearest existing parent.

    The check creates a temporary folder and removes it. Permissions alone do not show that /proc and read-only disks refuse new files.
    """
    try:
        existing = next(part for part in (folder, *folder.absolute().parents) if part.exists())
        if not existing.is_dir():
            return f"{str(existing)!r} is not a folder"
        os.rmdir(tempfile.mkdtemp(prefix=".ganbench-", dir=existing))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def write_atomic(path: Path, content: bytes, *, settled: bool = True) -> None:
    """Write a file atomically: readers see the old file or the new one, also after a crash. Raises OSError.

    With `settled=False` it skips fsync. Readers may then see a partial file after a crash of the machine.
    """
    beside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with beside.open("xb") as file:  # not `tempfile`, whose files are private with any umask
        try:
            file.write(content)
            file.flush()
            if settled:
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def version_of(path: Path) -> str:
    """Return a text that differs for each version that `write_atomic` writes. It is empty if the file cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"


def make_folder(folder: Path) -> None:
    """Create the folder of a suite's checkpoints. Raises a UserError before any run, also where `check_writable` detects no problem."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be created: {error.strerror or error}; choose another path") from error


def check_writable(folder: Path) -> None:
    """Raise a UserError unless the folder, or its nearest existing parent, can be written. Leaves no file."""
    if why := refusal(folder):
        raise UserError(f"the folder {one_line(folder, most=300)} cannot be written: {why}; choose another path")
