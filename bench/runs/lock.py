"""Run lock, with which only one process at a time trains a run, on one machine or several.

The lock is a lease of filelock: a marker file that its holder touches every `HEARTBEAT_SECONDS`. If the marker does not change for
`LEASE_SECONDS` on the clock of a waiting process, the lock is stale, and that process takes it over. If the holder is provably dead, that
process does not wait. A holder loses the lock if it is suspended, or if its disk fails. It detects that before its next write.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from bench.core.atomic_files import refusal
from bench.core.errors import one_line
from bench.core.lock_check import LockLost
from bench.data.cache import cache_root
from bench.tracking import store

log = logging.getLogger(__name__)
FILE = "claim.json"  # the marker in a run's folder
LEASE_SECONDS = 30.0  # time without a heartbeat after which the lock is stale
HEARTBEAT_SECONDS = 2.0
WAIT_SECONDS = 35.0  # for a change of the marker: longer than the lease
POLL_SECONDS = 0.2


class RunLocked(Exception):
    """Error that another process holds the run lock. The message names that process."""


class RunLock:
    """Run lock of this process, as one or more leases."""

    def __init__(self, leases: Sequence[SoftFileLease], lost: threading.Event) -> None:
        self._leases, self._lost = leases, lost

    @property
    def lost(self) -> bool:
        """True if the heartbeat has detected that the lock is lost. Reading it in every round of training is cheap."""
        return self._lost.is_set()

    def check(self) -> None:
        """Raise LockLost unless this process still holds the lock. This reads the marker. Call it immediately before each write."""
        for lease in self._leases:
            owner = lease.owner  # None if the marker is missing or unreadable now. The heartbeat detects a lost lock
            if self.lost or (owner is not None and owner.token != lease.token):
                self._lost.set()
                raise LockLost(f"lost the run lock: {f'{lease.lock_file} is missing' if owner is None else f'{_holder(lease)} holds it'}")


def run_lock_files(folder: Path, uri: str, suite: str) -> list[Path]:
    """Return the markers of a run: one that processes with other folders share, and one in `folder`, beside its checkpoints.

    The shared marker is beside the sqlite file of the store. For a server it is in the cache folder, so only processes on this machine see it.
    If that folder cannot be written, a warning is logged, and only the second marker is returned.
    """
    path = store.sqlite_path(uri)
    locks = path.with_name(f"{path.name}.locks") if path else cache_root() / "locks" / _digest(store.redacted(uri).rstrip("/"))
    if path is None and (why := refusal(locks)):
        log.warning(
            "%s cannot be written (%s): processes with other --runs-dir folders do not see the run lock of this process", locks, why
        )
        return [folder / FILE]
    return [locks / f"{folder.name}-{quote(suite, safe='')[:80]}-{_digest(suite)[:8]}", folder / FILE]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def run_lock(
    files: Sequence[Path], *, give_up: Callable[[], bool], stop: Callable[[], bool] = lambda: False, wait_seconds: float = WAIT_SECONDS
) -> Iterator[RunLock]:
    """Context manager that locks a run: it acquires all markers in their order.

    It waits for a living holder until `give_up()` or `stop()` is true. A holder counts as alive if its marker changes, or after
    `wait_seconds`. If `wait_seconds` is less than the lease, this process takes over only the lock of a provably dead process.

    Raises RunLocked, or OSError if a marker cannot be written.
    """
    lost = threading.Event()
    with ExitStack() as stack:
        leases = []
        for file in files:
            lease = _acquire(file, lost, give_up, stop, wait_seconds)
            stack.callback(_release, lease, file)
            leases.append(lease)
        yield RunLock(leases, lost)


def _acquire(
    file: Path, lost: threading.Event, give_up: Callable[[], bool], stop: Callable[[], bool], wait_seconds: float
) -> SoftFileLease:
    lease = SoftFileLease(
        file, lease_duration=LEASE_SECONDS, heartbeat_interval=HEARTBEAT_SECONDS, on_compromise=lambda _: lost.set(), thread_local=False
    )
    warned = False
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lease.acquire(timeout=wait_seconds, poll_interval=POLL_SECONDS, cancel_check=_MarkerWatch(file, stop))
            return lease
        except FileNotFoundError:
            continue  # the previous holder has just removed the folder
        except (Timeout, LeaseSettingsMismatch) as error:
            if give_up() or stop():
                raise RunLocked(f"in use by {_holder(lease)}") from error
            if not warned:
                log.warning("waiting for the run lock %s, which %s holds", file, _holder(lease))
            warned = True
            time.sleep(POLL_SECONDS)


class _MarkerWatch:
    """Callable that returns whether to stop waiting. This is so if `stop()` is true, or if the marker has changed, so that its holder is alive."""

    def __init__(self, file: Path, stop: Callable[[], bool]) -> None:
        self._file, self._stop = file, stop
        self._first = self._stat()

    def __call__(self) -> bool:
        now = self._stat()
        self._first = self._first or now
        return self._stop() or (now is not None and now != self._first)

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self._file)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


def _holder(lease: SoftFileLease) -> str:
    """Return a text for messages that names the process in a marker."""
    owner = lease.owner
    if owner is None:
        return "another process"
    host = owner.hostname.partition("?")[0]  # filelock appends the namespace of process ids
    return f"process {owner.pid} on {one_line(host, most=80)}"


def _release(lease: SoftFileLease, file: Path) -> None:
    lease.release()
    with suppress(OSError):  # not empty, or removed by another process
        file.parent.rmdir()
