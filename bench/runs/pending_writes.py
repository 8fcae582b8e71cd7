"""What runs that are over wrote and their store has not acknowledged: it waits in their journals, and is delivered later."""

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
from bench.tracking.delivery import PATIENT_SECONDS, deliver, public_uri
from bench.tracking.earlier_outbox import convert
from bench.tracking.journal import ARTIFACTS, ENDED, Damaged, Journal
from bench.tracking.relocation import is_same_store
from bench.tracking.tags import FINGERPRINT
from bench.training.checkpoints import BEFORE, CheckpointStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of the pending writes of one run that is over."""

    name: str
    folder: Path
    sent: int = 0
    left: int = 0
    resumes: bool = False  # the rest is in its checkpoint, and is sent by the process that resumes the run
    problem: str = ""  # why writes are left
    meant_for: str = ""  # the other store, where that is why
    busy: bool = False  # another process has the run, which will deliver


def deliver_pending(
    runs: Path, uri: str, *, locked: bool = False, automatic: bool = False, check: Callable[[], None] = free,
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[Delivered]:  # fmt: skip
    """Send the pending writes of all runs anywhere under a folder.

    A store that does not answer is a UserError, and so is a missing sqlite file, except for an `automatic` delivery before a run. That also
    leaves runs that were killed to the process that resumes them.
    Each run is locked meanwhile, unless the caller has `locked` the only one and gives the lock's `check`. A run of another process is left
    to it, which takes `wait_seconds` at most to find out.
    """
    for folder in _run_folders(runs, (ENDED,) if automatic else (ENDED, BEFORE)):
        try:
            with nullcontext() if locked else _alone(folder, wait_seconds):
                for outbox in _outboxes(folder):
                    try:
                        convert(outbox)
                    except (Damaged, OSError) as error:
                        yield Delivered(name=str(outbox), folder=outbox, left=1, problem=str(error))
                for file in sorted(folder.glob(ENDED)):
                    yield _ended(file, uri, check, automatic)
                if not automatic and (journal := _killed(folder, uri)):
                    yield replace(_delivered(journal, folder, uri, check), resumes=True)
        except RunLocked:
            yield Delivered(name=str(folder), folder=folder, busy=True)


def _ended(file: Path, uri: str, check: Callable[[], None], automatic: bool) -> Delivered:
    """Deliver the journal of a run that has ended."""
    try:
        journal = Journal.read(file)
    except Damaged as error:
        return Delivered(name=str(file), folder=file, left=1, problem=str(error))
    pending = Delivered(name=journal.name, folder=file, left=journal.waiting)
    if not _is_meant_for(journal, file, uri):
        return replace(pending, meant_for=journal.store, problem=f"meant for {journal.store}: set MLFLOW_TRACKING_URI")
    if automatic and not store.exists(uri):
        return replace(pending, problem=f"there is no store {store.redacted(uri)}: delete {file} to discard them")
    told = _delivered(journal, file, uri, check)
    check()
    with suppress(OSError):  # the file stays as it was, and all of it is sent once more
        journal.close()
    return told


def _killed(folder: Path, uri: str) -> Journal | None:
    """The journal of the older checkpoint of a run that was killed. The resumed run logs what came after it again, so only this may be sent."""
    kept = CheckpointStore(folder)
    if not kept.before.exists() or (kept.newest.exists() and filecmp.cmp(kept.newest, kept.before, shallow=False)):  # equal: it was stopped
        return None
    try:
        journal = Journal.of(serialization.load(kept.before)["log"], folder)
    except (UserError, Damaged, KeyError):
        return None  # the process that resumes the run says so
    return journal if journal.waiting and _is_meant_for(journal, kept.before, uri) else None


def _delivered(journal: Journal, place: Path, uri: str, check: Callable[[], None]) -> Delivered:
    client, before, problem = store.connect(uri), journal.waiting, ""
    try:
        with store.impatient(PATIENT_SECONDS):
            deliver(client, journal, points=len(journal.points), check=check)
    except LockLost:
        raise
    except Exception as error:  # the store's own: is it away, or does it refuse this run?
        problem = f"the store refuses: {store.plain_error(error, uri)}"
        store.connect(uri)
    if journal.refused and not problem:
        problem = f"the store refuses them, or they are damaged; delete {place} to discard them"
    return Delivered(name=journal.name, folder=place, sent=before - journal.waiting, left=journal.waiting, problem=problem)


def end_all(folder: Path, uri: str) -> None:
    """Send all that the checkpoint of a run holds whose process has died; the run resumes from there and logs what came after it again.

    Raises RunLocked if another process holds the run lock.
    """
    with _alone(folder):
        catch_up(folder, uri, locked=True)
        kept = CheckpointStore(folder)
        state = kept.load()
        if state is None or (journal := Journal.of(state["log"], folder)).file.exists():
            return
        kept.before.unlink(missing_ok=True)
        deliver(store.connect(uri), journal, points=len(journal.points))


def catch_up(runs: Path, uri: str, *, locked: bool = False, check: Callable[[], None] = free) -> None:
    """Deliver the pending writes of earlier executions; log a warning for those that stay pending.

    Writes that may belong to a living process are skipped without waiting: the process that trains the run next delivers them.
    """
    for told in deliver_pending(runs, uri, locked=locked, automatic=True, check=check, wait_seconds=0):
        if told.problem:
            log.warning("%d writes of %s wait: %s", told.left, told.name, told.problem)
        elif told.sent:
            log.info("%d writes of %s delivered", told.sent, told.name)


def pending_statuses(folder: Path) -> dict[str, str]:
    """Return the final status of each run in a folder that has ended and that the store has not acknowledged yet, by run id."""
    found: dict[str, str] = {}
    for file in folder.glob(ENDED):
        with suppress(Damaged):
            journal = Journal.read(file)
            found[journal.run_id] = journal.end.status if journal.end else ""
    return found


def trained_here(folder: Path) -> set[str]:
    """Return the ids of the runs of the store that were trained with a run's folder, as far as it has traces of them."""
    return {path.name for name in (ARTIFACTS, "outbox") for path in folder.glob(f"{name}/*")} | set(pending_statuses(folder))


def sweep(folder: Path, run_id: str) -> None:
    """Remove what killed processes left in a run's folder, but not the artifacts of this run and of those that have ended."""
    for path in (*folder.glob(".end-*"), *folder.glob(f"{ARTIFACTS}/*")):
        if path.is_file():
            path.unlink()
        elif path.name != run_id and not (folder / f"end-{path.name}.json").exists():
            shutil.rmtree(path, ignore_errors=True)
    for outbox in _outboxes(folder):
        with suppress(Damaged, OSError):  # a damaged one stays
            convert(outbox)
            shutil.rmtree(outbox, ignore_errors=True)
            outbox.parent.rmdir()


def _run_folders(runs: Path, names: Sequence[str]) -> list[Path]:
    """The folders of runs with files of such names, or with an outbox of an earlier version."""
    found = {path.parent for name in names for path in runs.glob(f"**/{name}")}
    return sorted(found | {path.parent for path in runs.glob("**/outbox") if _outboxes(path.parent)})


def _outboxes(folder: Path) -> list[Path]:
    """The outboxes of an earlier version in a run's folder. A study may be named "outbox": its folders are fingerprints, no ids of runs."""
    return sorted(path for path in folder.glob("outbox/*") if path.is_dir() and not FINGERPRINT.fullmatch(path.name))


def _alone(run_folder: Path, wait_seconds: float = WAIT_SECONDS) -> AbstractContextManager[object]:
    """Context manager that holds the lock of a run's folder. Raises RunLocked if another process holds it."""
    return run_lock([run_folder / FILE], give_up=lambda: True, wait_seconds=wait_seconds)


def _is_meant_for(journal: Journal, file: Path, uri: str) -> bool:
    """Return whether a journal is meant for this store, which may be a file that was moved or copied since."""
    before, now = store.sqlite_path(journal.store), store.sqlite_path(uri)
    if before is None or now is None:
        return journal.store == public_uri(uri)
    return before == now or is_same_store(before, now, journal.run_id, file)
