"""The run lock: one process at a time trains a run, on one machine or several.

The lock is a lease of filelock: a marker file that its holder touches every `HEARTBEAT_SECONDS`. A contender takes the lock over once the
marker has stood still for `LEASE_SECONDS` of the contender's own clock, or at once where the holder is provably dead. A holder that was
taken over, because it was stopped or cut off from its disk, learns of it before its next write.
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
LEASE_SECONDS = 30.0  # without a heartbeat, after which the lock may be taken over
HEARTBEAT_SECONDS = 2.0
WAIT_SECONDS = 35.0  # for a marker that stands still: longer than the lease
POLL_SECONDS = 0.2


class RunLocked(Exception):
    """Another process holds the run lock. The message says which."""


class RunLock:
    """The leases that the process of a run holds."""

    def __init__(self, leases: Sequence[SoftFileLease], lost: threading.Event) -> None:
        self._leases, self._lost = leases, lost

    @property
    def lost(self) -> bool:
        """Whether the heartbeat has found that the lock is lost. Cheap enough for every round of training."""
        return self._lost.is_set()

    def check(self) -> None:
        """Raise LockLost unless the lock is still held. To be called right before anything is written; reads the marker."""
        for lease in self._leases:
            owner = lease.owner  # None: missing or unreadable for now, which the heartbeat judges
            if self.lost or (owner is not None and owner.token != lease.token):
                self._lost.set()
                raise LockLost(f"lost the run lock: {f'{lease.lock_file} is missing' if owner is None else f'{_holder(lease)} has it'}")


def run_lock_files(folder: Path, uri: str, suite: str) -> list[Path]:
    """The markers of a run whose checkpoints lie in `folder`: one there, and one for the store that processes with other folders share.

    The second lies beside a sqlite file. For a server it lies in the cache folder, so it is seen by the processes of this machine alone, and
    is left out with a warning where that folder cannot be written.
    """
    path = store.sqlite_path(uri)
    locks = path.with_name(f"{path.name}.locks") if path else cache_root() / "locks" / _digest(store.redacted(uri).rstrip("/"))
    if path is None and (why := refusal(locks)):
        log.warning("%s cannot be written (%s): processes with other --runs-dir folders do not see this one's run lock", locks, why)
        return [folder / FILE]
    return [locks / f"{folder.name}-{quote(suite, safe='')[:80]}-{_digest(suite)[:8]}", folder / FILE]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def run_lock(
    files: Sequence[Path], *, give_up: Callable[[], bool], stop: Callable[[], bool] = lambda: False, wait_seconds: float = WAIT_SECONDS
) -> Iterator[RunLock]:
    """Context manager that holds all these markers, taken in order; waits for a living holder until `give_up()`, and for any until `stop()`.

    A marker that stands still is watched for `wait_seconds`, after which its holder counts as alive: less than the lease takes over nothing
    but what a provably dead process has left.

    Raises RunLocked, or OSError where a marker cannot be written.
    """
    lost = threading.Event()
    with ExitStack() as held:
        leases = []
        for file in files:
            lease = _acquired(file, lost, give_up, stop, wait_seconds)
            held.callback(_release, lease, file)
            leases.append(lease)
        yield RunLock(leases, lost)


def _acquired(
    file: Path, lost: threading.Event, give_up: Callable[[], bool], stop: Callable[[], bool], wait_seconds: float
) -> SoftFileLease:
    lease = SoftFileLease(
        file, lease_duration=LEASE_SECONDS, heartbeat_interval=HEARTBEAT_SECONDS, on_compromise=lambda _: lost.set(), thread_local=False
    )
    waiting = False
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lease.acquire(timeout=wait_seconds, poll_interval=POLL_SECONDS, cancel_check=_Moves(file, stop))
            return lease
        except FileNotFoundError:
            continue  # its last user has just removed the folder
        except (Timeout, LeaseSettingsMismatch) as error:
            if give_up() or stop():
                raise RunLocked(f"in use by {_holder(lease)}") from error
            if not waiting:
                log.warning("waiting for the run lock %s, held by %s", file, _holder(lease))
            waiting = True
            time.sleep(POLL_SECONDS)


class _Moves:
    """Whether a marker has been touched, or replaced, since it was first seen: its holder is alive. Also where `stop()` ends the watch."""

    def __init__(self, file: Path, stop: Callable[[], bool]) -> None:
        self._file, self._stop = file, stop
        self._first = self._seen()

    def __call__(self) -> bool:
        now = self._seen()
        self._first = self._first or now
        return self._stop() or (now is not None and now != self._first)

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self._file)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


def _holder(lease: SoftFileLease) -> str:
    """The process that a marker names, in words."""
    owner = lease.owner
    if owner is None:
        return "another process"
    host = owner.hostname.partition("?")[0]  # filelock appends the namespace of process ids
    return f"process {owner.pid} on {one_line(host, most=80)}"


def _release(lease: SoftFileLease, file: Path) -> None:
    lease.release()
    with suppress(OSError):  # not empty, or removed by another process
        file.parent.rmdir()
