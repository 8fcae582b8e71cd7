"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from bench.core.errors import UserError, one_line


def refusal(folder: Path) -> str:
    """Why nothing can be written into a folder, or into the one that it would be made in; empty where it can.

    Tried with a folder that goes at once: permissions alone do not tell of /proc, or of a disk that is mounted to be read.
    """
    try:
        there = next(part for part in (folder, *folder.absolute().parents) if part.exists())
        if not there.is_dir():
            return f"{str(there)!r} is no folder"
        os.rmdir(tempfile.mkdtemp(prefix=".ganbench-", dir=there))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def write_atomic(path: Path, content: bytes, *, settled: bool = True) -> None:
    """Write a file so that a reader, or a crash, meets the old one or the new one and never a half. Raises OSError.

    Unsettled, that holds for a crash of this process but not of the machine, and costs no wait for the disk. Who may read the file is
    for the umask to say.
    """
    beside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with beside.open("xb") as file:  # no temporary file: that would be private whatever the umask says
        try:
            file.write(content)
            file.flush()
            if settled:
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def settle(path: Path) -> None:
    """Wait until a file is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make the folder of a suite's checkpoints, if need be. What `check_writable` cannot foresee is a UserError here, before any run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made: {error.strerror or error}") from error


def check_writable(folder: Path) -> None:
    """Raise a UserError unless the folder, or the one that it would be made in, can be written. Leaves nothing."""
    if why := refusal(folder):
        raise UserError(f"the folder {one_line(folder, most=300)} cannot be written: {why}")
