"""Files that a report writes: each appears whole or not at all, and what cannot be written is said before the work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bench.errors import UserError
from bench.files import write_atomic


def check_folder(path: Path, option: str) -> None:
    """Refuse a folder that is not there and cannot be made, or that cannot be written. Makes nothing."""
    try:
        there = next(part for part in (path, *path.absolute().parents) if part.exists())
    except OSError as error:
        raise UserError(f"{option}: cannot write to {str(path)[:80]!r}: {error.strerror or error}") from error
    if not there.is_dir():
        raise UserError(f"{option}: cannot write to {str(path)!r}: {str(there)!r} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{option}: cannot write to {str(path)!r}: no permission for {str(there)!r}")


def check_file(path: Path, option: str) -> None:
    """Refuse a file that cannot be written: a folder of that name, or a place that cannot be written. Makes nothing."""
    check_folder(path.parent, option)
    if path.is_dir():
        raise UserError(f"{option}: {str(path)!r} is a folder: give the path of a file")


def write_all(files: Mapping[Path, bytes], what: str) -> None:
    """Write files one after the other, making their folders. One that cannot be written is a UserError."""
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data, settled=False)  # a report that a crash of the machine takes is soon made again
    except OSError as error:
        raise UserError(f"cannot write {what}: {error.strerror or error}") from error
