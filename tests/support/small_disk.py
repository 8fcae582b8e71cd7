"""Disk of a few megabytes that a test may fill or mount read-only. Root ignores permissions, but not a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

BLOCK = b"\0" * 4096
POLL_SECONDS = 0.02  # between two attempts to fill the disk again


@dataclass(frozen=True)
class SmallDisk:
    """Disk (tmpfs) that commands with `prefix` access at `folder`, and the test at `path`."""

    folder: Path
    path: Path
    prefix: tuple[str, ...] = ()
    _filler: str = field(default=".filler", repr=False)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Context manager that fills the disk and keeps it full."""
        done = threading.Event()
        filling = threading.Thread(target=self._fill, args=(done,), daemon=True)
        self._top_up()
        filling.start()
        try:
            yield
        finally:
            done.set()
            filling.join()
            (self.path / self._filler).unlink()

    def read_only(self) -> None:
        """Mount the disk read-only."""
        self._call("mount", "-o", "remount,ro", str(self.folder))

    def free_bytes(self) -> int:
        """Return the free space in bytes."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def _fill(self, done: threading.Event) -> None:
        while not done.wait(POLL_SECONDS):
            self._top_up()

    def _top_up(self) -> None:
        with (self.path / self._filler).open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(BLOCK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def _call(self, *words: str) -> None:
        subprocess.run([*self.prefix, *words], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[SmallDisk]:
    """Context manager that mounts a disk at a new folder. Skips the test if this machine does not allow mounts."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode == 0:
        try:
            yield SmallDisk(folder, folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
        return
    with _own_mounts(words) as holder:
        into = ("nsenter", "--preserve-credentials", "--user", "--mount", "--target", str(holder), f"--wd={Path.cwd()}")
        yield SmallDisk(folder, Path(f"/proc/{holder}/root{folder}"), into)


@contextmanager
def _own_mounts(words: list[str]) -> Iterator[int]:
    """Context manager that runs a command in a new mount namespace. It yields the id of a process in that namespace."""
    hold = f"{' '.join(words)} && echo ready && exec sleep 3600"
    try:
        holder = subprocess.Popen(
            ["unshare", "--mount", "--map-root-user", "sh", "-c", hold], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except OSError as error:
        pytest.skip(f"this machine does not allow mounts: {error}")
    try:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "ready\n":
            pytest.skip(f"this machine does not allow mounts: {holder.stderr.read().strip()}")
        yield holder.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            holder.kill()
        holder.wait()
