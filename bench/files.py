"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path


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
