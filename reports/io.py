"""Files that a report writes: each appears whole or not at all, and what cannot be written is said before the work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.core.atomic_files import refusal, write_atomic
from bench.core.errors import UserError, one_line


def check_folder(path: Path, option: str) -> None:
    """Refuse a folder that is not there and cannot be made, or that cannot be written. Leaves nothing."""
    if why := refusal(path):
        raise UserError(f"{option}: cannot write to {one_line(repr(str(path)), most=300)}: {why}")


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
