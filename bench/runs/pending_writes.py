"""Delivery of pending writes: writes in the journals of ended or killed runs that the store has not acknowledged."""

from __future__ import annotations

import filecmp
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.core import serialization
from bench.core.errors import UserError
from bench.core.lock_check import LockLost, free
from bench.runs.lock import FILE, WAIT_SECONDS, RunLocked, run_lock
from bench.tracking import store
from bench.tracking.delivery import LONG_REQUEST_SECONDS, deliver, public_uri
from bench.tracking.earlier_outbox import convert
from bench.tracking.journal import ARTIFACTS, ENDED, DamagedJournal, RunJournal
from bench.tracking.relocation import is_same_store
from bench.tracking.tags import FINGERPRINT
from bench.training.checkpoints import BEFORE, CheckpointStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """Result of delivering the pending writes of one run."""

    name: str
    folder: Path
    sent: int = 0
    pending: int = 0
    resumes: bool = False  # the checkpoint has the other writes, which the process that resumes the run sends
    problem: str = ""  # reason why writes are still pending
    meant_for: str = ""  # the store that the writes belong to, if it is another one
    busy: bool = False  # another process holds the run lock, and delivers the writes


def deliver_pending(
    runs: Path, uri: str, *, locked: bool = False, automatic: bool = False, check: Callable[[], None] = free,
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[DeliveryResult]:  # fmt: skip
    """Deliver the pending writes of all runs in a folder and its subfolders. Yield a result for each run.

    Raises UserError if the store does not answer, or if its sqlite file is missing. An `automatic` delivery, before a run, only reports a missing
    file. It does not deliver writes of killed runs, because the process that resumes such a run does.

    Holds the lock of each run during its delivery, unless the caller has `locked` the only run and passes the `check` of its lock. Skips a
    run whose lock another process holds, after at most `wait_seconds`.
    """
    for folder in _run_folders(runs, (ENDED,) if automatic else (ENDED, BEFORE)):
        try:
            with nullcontext() if locked else _folder_lock(folder, wait_seconds):
                for outbox in _outboxes(folder):
                    try:
                        convert(outbox)
                    except (DamagedJournal, OSError) as error:
                        yield DeliveryResult(name=str(outbox), folder=outbox, pending=1, problem=str(error))
                for file in sorted(folder.glob(ENDED)):
                    yield _deliver_ended(file, uri, check, automatic)
                if not automatic and (journal := _killed_journal(folder, uri)):
                    yield replace(_deliver(journal, folder, uri, check), resumes=True)
        except RunLocked:
            yield DeliveryResult(name=str(folder), folder=folder, busy=True)


def _deliver_ended(file: Path, uri: str, check: Callable[[], None], automatic: bool) -> DeliveryResult:
    """Deliver the journal of an ended run, and return the result."""
    try:
        journal = RunJournal.read(file)
    except DamagedJournal as error:
        return DeliveryResult(name=str(file), folder=file, pending=1, problem=str(error))
    unsent = DeliveryResult(name=journal.name, folder=file, pending=journal.pending)
    if not _is_meant_for(journal, file, uri):
        return replace(unsent, meant_for=journal.store, problem=f"meant for {journal.store}: set MLFLOW_TRACKING_URI")
    if automatic and not store.exists(uri):
        return replace(unsent, problem=f"there is no store {store.redacted(uri)}: delete {file} to discard them")
    result = _deliver(journal, file, uri, check)
    check()
    with suppress(OSError):  # the file is unchanged, and the next delivery sends all its writes again
        journal.close()
    return result


def _killed_journal(folder: Path, uri: str) -> RunJournal | None:
    """Return the journal in the older checkpoint of a killed run, or None. Later writes may not be sent, because the resumed run logs them again."""
    checkpoints = CheckpointStore(folder)
    newest, before = checkpoints.newest, checkpoints.before
    if not before.exists() or (newest.exists() and filecmp.cmp(newest, before, shallow=False)):  # equal: the run is interrupted, not killed
        return None
    try:
        journal = RunJournal.from_state(serialization.load(before)["log"], folder)
    except (UserError, DamagedJournal, KeyError):
        return None  # the process that resumes the run reports it
    return journal if journal.pending and _is_meant_for(journal, before, uri) else None


def _deliver(journal: RunJournal, file: Path, uri: str, check: Callable[[], None]) -> DeliveryResult:
    client, before, problem = store.connect(uri), journal.pending, ""
    try:
        with store.short_timeout(LONG_REQUEST_SECONDS):
            deliver(client, journal, points=len(journal.points), check=check)
    except LockLost:
        raise
    except Exception as error:  # any error of the store. `connect` raises UserError if the store does not answer
        problem = f"the store refuses: {store.plain_error(error, uri)}"
        store.connect(uri)
    if journal.refused and not problem:
        problem = f"the store refuses them, or they are damaged: delete {file} to discard them"
    return DeliveryResult(name=journal.name, folder=file, sent=before - journal.pending, pending=journal.pending, problem=problem)


def deliver_dead_run(folder: Path, uri: str) -> None:
    """Deliver all writes in the newest checkpoint of a run whose process is dead. The resumed run logs later ones again.

    Raises RunLocked if another process holds the run lock.
    """
    with _folder_lock(folder):
        deliver_earlier(folder, uri, locked=True)
        checkpoints = CheckpointStore(folder)
        state = checkpoints.load()
        if state is None or (journal := RunJournal.from_state(state["log"], folder)).file.exists():
            return
        checkpoints.before.unlink(missing_ok=True)
        deliver(store.connect(uri), journal, points=len(journal.points))


def deliver_earlier(runs: Path, uri: str, *, locked: bool = False, check: Callable[[], None] = free) -> None:
    """Deliver the pending writes of earlier commands. Log a warning for writes that stay pending.

    Runs whose lock another process holds are skipped without waiting. The process that trains such a run next delivers its writes.
    """
    for result in deliver_pending(runs, uri, locked=locked, automatic=True, check=check, wait_seconds=0):
        if result.problem:
            log.warning("%d writes of %s are pending: %s", result.pending, result.name, result.problem)
        elif result.sent:
            log.info("delivered %d writes of %s", result.sent, result.name)


def pending_statuses(folder: Path) -> dict[str, str]:
    """Return the final status, by run id, of each ended run in a folder whose end the store has not acknowledged."""
    found: dict[str, str] = {}
    for file in folder.glob(ENDED):
        with suppress(DamagedJournal):
            journal = RunJournal.read(file)
            found[journal.run_id] = journal.end.status if journal.end else ""
    return found


def local_run_ids(folder: Path) -> set[str]:
    """Return the ids of the runs that have files in this folder, so that this folder trained them."""
    return {path.name for name in (ARTIFACTS, "outbox") for path in folder.glob(f"{name}/*")} | set(pending_statuses(folder))


def remove_leftovers(folder: Path, run_id: str) -> None:
    """Remove files of killed processes from a run's folder, but not the artifacts of `run_id` and of ended runs."""
    for path in (*folder.glob(".end-*"), *folder.glob(f"{ARTIFACTS}/*")):
        if path.is_file():
            path.unlink()
        elif path.name != run_id and not (folder / f"end-{path.name}.json").exists():
            shutil.rmtree(path, ignore_errors=True)
    for outbox in _outboxes(folder):
        with suppress(DamagedJournal, OSError):  # a damaged outbox stays
            convert(outbox)
            shutil.rmtree(outbox, ignore_errors=True)
            outbox.parent.rmdir()


def _run_folders(runs: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders with files of these names, or with an outbox of an earlier version."""
    found = {path.parent for name in names for path in runs.glob(f"**/{name}")}
    return sorted(found | {path.parent for path in runs.glob("**/outbox") if _outboxes(path.parent)})


def _outboxes(folder: Path) -> list[Path]:
    """Return the outboxes of earlier versions in a run's folder. The folders of a study named "outbox" are fingerprints, not run ids."""
    return sorted(path for path in folder.glob("outbox/*") if path.is_dir() and not FINGERPRINT.fullmatch(path.name))


def _folder_lock(run_folder: Path, wait_seconds: float = WAIT_SECONDS) -> AbstractContextManager[object]:
    """Context manager that holds the lock of a run's folder. Raises RunLocked if another process holds it."""
    return run_lock([run_folder / FILE], give_up=lambda: True, wait_seconds=wait_seconds)


def _is_meant_for(journal: RunJournal, file: Path, uri: str) -> bool:
    """Return whether a journal belongs to this store, also if the file of the store has been moved or copied."""
    before, now = store.sqlite_path(journal.store), store.sqlite_path(uri)
    if before is None or now is None:
        return journal.store == public_uri(uri)
    return before == now or is_same_store(before, now, journal.run_id, file)
