"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: bytes, *, settled: bool = True) -> None:
    """Write a file so that a reader, or a crash, meets the old one or the new one and never a half. Raises OSError.

    Unsettled, that holds for a crash of this process but not of the machine, and costs no wait for the disk.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            if settled:
                os.fsync(file.fileno())
            Path(file.name).chmod(0o644)  # a temporary file is private, what it becomes may be shared
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def settle(path: Path) -> None:
    """Wait until a file is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
