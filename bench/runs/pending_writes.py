"""What runs that are over wrote and could not deliver: it waits in outboxes under their folders, and is sent later."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.lock_check import LockLost, free
from bench.runs.lock import FILE, WAIT_SECONDS, RunLocked, run_lock
from bench.tracking import store
from bench.tracking.delivery import PATIENT_SECONDS, deliver, public_uri
from bench.tracking.entry import Damaged, Entry, read_entry
from bench.tracking.relocation import is_same_store
from bench.tracking.spool import HELD, REFUSED, Outbox, numbers
from bench.tracking.tags import FINGERPRINT
from bench.training.checkpoints import CheckpointStore

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of one outbox of a run that is over."""

    name: str
    folder: Path
    sent: int
    left: int = 0
    held: int = 0  # of writes that wait for the run to go on, which would write them again
    problem: str = ""  # why writes are left
    meant_for: str = ""  # the other store, where that is why
    busy: bool = False  # another process has the run, which will deliver


def deliver_waiting(
    runs: Path,
    uri: str,
    *,
    locked: bool = False,
    wait_seconds: float = WAIT_SECONDS,
    check: Callable[[], None] = free,
    missing_ok: bool = False,
) -> Iterator[Delivered]:
    """Send what waits anywhere under a folder of runs, one outbox after another.

    A store that does not answer is a UserError, and so is a missing sqlite file unless `missing_ok`.
    Each run is locked meanwhile, unless the caller has `locked` the only one and gives the lock's `check`. A run of another process is left
    to it, which takes `wait_seconds` at most to find out.
    """
    client: MlflowClient | None = None
    # A study may be named "outbox": its folders are fingerprints, which are no ids of runs.
    outboxes = [folder for folder in sorted(runs.glob("**/outbox/*")) if folder.is_dir() and not FINGERPRINT.fullmatch(folder.name)]
    for run_folder, folders in groupby(outboxes, key=lambda folder: folder.parent.parent):
        found = list(folders)
        try:
            with nullcontext() if locked else _alone(run_folder, wait_seconds):
                for folder in found:
                    outbox = Outbox(folder)
                    try:
                        if outbox.waiting:
                            there = _first(outbox, uri)
                            if there.problem:
                                yield there
                            elif missing_ok and not store.exists(uri):
                                missing = f"there is no store {store.redacted(uri)}: delete {folder} to discard them"
                                yield replace(there, problem=missing)
                            else:
                                client = client or store.connect(uri)
                                yield _delivered(outbox, client, uri, there.name, check)
                    finally:
                        outbox.close()
        except RunLocked:
            for folder in found:
                if waiting := len(numbers(folder)) + len(numbers(folder / REFUSED)):
                    yield Delivered(name=str(folder), folder=folder, sent=0, left=waiting, busy=True)


def _alone(run_folder: Path, wait_seconds: float = WAIT_SECONDS) -> AbstractContextManager[object]:
    """Context manager that holds the lock of a run's folder. Raises RunLocked if another process holds it."""
    return run_lock([run_folder / FILE], give_up=lambda: True, wait_seconds=wait_seconds)


def forget_held(outboxes: Path) -> None:
    """Forget what earlier attempts of a run held back, which a new one writes again, and send the rest another time."""
    for folder in outboxes.glob("*"):
        if (folder / HELD).exists():
            outbox = Outbox(folder)
            outbox.forget_held()
            outbox.close()


def end_all(folder: Path, uri: str) -> None:
    """Send all pending writes of the runs in a folder, held ones included, because their process has died.

    Writes after the checkpoint of a run that has not ended are dropped: the run resumes from there and writes them again.
    Raises RunLocked if another process holds the run lock.
    """
    with _alone(folder):
        kept = CheckpointStore(folder)
        state = kept.load()
        for outbox_folder in folder.glob("outbox/*"):
            if outbox_folder.is_dir():
                outbox = Outbox(outbox_folder)
                resumable = state is not None and state["log"]["run_id"] == outbox_folder.name and not undelivered_status(outbox_folder)
                if state is not None and resumable:
                    kept.before.unlink(missing_ok=True)
                    outbox.go_back(int(state["log"]["position"]))
                outbox.release()
                outbox.close()
        catch_up(folder, uri, locked=True)


def catch_up(runs: Path, uri: str, *, locked: bool = False, check: Callable[[], None] = free) -> None:
    """Deliver the pending writes of earlier executions; log a warning for those that stay pending.

    Writes that may belong to a living process are skipped without waiting: the process that trains the run next delivers them.
    """
    for told in deliver_waiting(runs, uri, locked=locked, wait_seconds=0, check=check, missing_ok=True):
        if told.problem:
            log.warning("%d writes of %s wait: %s", told.left, told.name, told.problem)
        elif told.sent:
            log.info("%d writes of %s delivered", told.sent, told.name)


def undelivered_status(outbox: Path) -> str:
    """The final status that a run has written and its store has not taken yet; empty where it has not ended."""
    files = [folder / f"{number:08d}.json" for folder in (outbox, outbox / REFUSED) for number in numbers(folder)]
    try:
        entries = [read_entry(file) for file in sorted(files, key=lambda file: file.name)]
    except Damaged:
        return ""
    if not entries or entries[-1].kind != "end":
        return ""
    return next(
        (str(entry.body["tags"]["status"]) for entry in reversed(entries) if entry.kind == "tags" and "status" in entry.body["tags"]), ""
    )


def _first(outbox: Outbox, uri: str) -> Delivered:
    """What an outbox says of itself: whose it is, and why it cannot be delivered to this store, if so."""
    name, meant_for, problem = str(outbox.folder), "", ""
    try:
        first = outbox.first()
        name = first.name
        if not _is_meant_for(first, outbox.folder, uri):
            meant_for, problem = first.uri, f"meant for {first.uri}: set MLFLOW_TRACKING_URI"
    except Damaged as error:
        problem = str(error)
    return Delivered(name=name, folder=outbox.folder, sent=0, left=outbox.waiting, problem=problem, meant_for=meant_for)


def _is_meant_for(entry: Entry, outbox: Path, uri: str) -> bool:
    """Return whether a write is meant for this store, which may be a file that was moved or copied since."""
    before, now = store.sqlite_path(entry.uri), store.sqlite_path(uri)
    if before is None or now is None:
        return entry.uri == public_uri(uri)
    return before == now or is_same_store(before, now, entry.run_id, outbox)


def _delivered(outbox: Outbox, client: MlflowClient, uri: str, name: str, check: Callable[[], None]) -> Delivered:
    before, problem = outbox.waiting, ""
    try:
        with store.impatient(PATIENT_SECONDS):
            deliver(client, outbox, check=check)
    except LockLost:
        raise
    except Damaged as error:
        problem = str(error)
    except Exception as error:  # the store's own: is it away, or does it refuse this run?
        problem = f"the store refuses: {store.plain_error(error, uri)}"
        store.connect(uri)
    refused = outbox.refused
    if refused and not problem:
        problem = f"the store refuses them; delete {outbox.folder / REFUSED} to discard them"
    left = outbox.due + refused
    return Delivered(
        name=name,
        folder=outbox.folder,
        sent=before - outbox.waiting - refused,
        left=left,
        held=outbox.waiting - outbox.due,
        problem=problem,
    )
