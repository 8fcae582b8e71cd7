"""Where the trials of studies are kept: a journal file for one machine, PostgreSQL for several. And who holds what.

A claim is exclusive: under it the trials of the dead are given back and a new one is taken, so that there are never too many. It is an
OS lock beside the journal, or an advisory lock of the database; both go with the process that holds them. Whether a worker lives is told by an OS lock,
too; of a database's workers by Optuna's heartbeat.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import uuid
import warnings
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bench.errors import UserError, one_line
from bench.files import refusal
from bench.store import redacted
from studies.kinds import check_kind, is_journal

# Attributes of a trial: who has it, why it failed, that it was stopped from outside, whose parameters it tries again, and how many workers died of them.
WORKER, REASON, STOPPED, AGAIN, DEATHS = "worker", "reason", "stopped", "again", "deaths"
MOST_DEATHS = 5  # of workers on the same parameters: then those are to blame
HEARTBEAT_SECONDS, GRACE_SECONDS = 15, 60
LONGEST_LINE = 1_000_000  # bytes of a journal's first line that are looked at

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that fails says so in our words


class Storage(ABC):
    """Trials on one storage. Made by `open_storage`."""

    def __init__(self, uri: str, optuna_storage: BaseStorage) -> None:
        self.uri = uri
        self.optuna = optuna_storage

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Inside, a storage that goes away is a UserError."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if told := self.trouble(error):
                raise UserError(f"--storage {redacted(self.uri)} fails: {one_line(told, most=160)}") from error
            raise

    @abstractmethod
    def trouble(self, error: Exception) -> str:
        """What the storage had to do with an error; empty where nothing."""

    @abstractmethod
    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        """Inside, no other process takes or gives back trials of the study of that name."""
        raise NotImplementedError

    @abstractmethod
    @contextmanager
    def only(self, name: str) -> Iterator[bool]:
        """Whether this process is the only one inside for that name; it is told at once."""
        raise NotImplementedError

    @abstractmethod
    @contextmanager
    def worker(self, of: str) -> Iterator[str]:
        """The name of a worker, which begins with that of this machine and `of`. He lives as long as this lasts."""
        raise NotImplementedError

    def begin(self, trial: optuna.Trial, worker: str) -> None:
        """Say who has a trial."""
        trial.set_user_attr(WORKER, worker)

    @abstractmethod
    def lives(self, trial: FrozenTrial) -> bool:
        """Whether the worker of a running trial is not known to be dead."""
        raise NotImplementedError

    def give_back(self, study: Study) -> None:
        """Fail the trials whose worker is dead, and put the parameters of trials that failed for no reason of their own in line again.

        To be called inside a claim. It can be cut off anywhere and be called again: no trial gets lost or is put in line twice.
        """
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if WORKER in trial.user_attrs and self.lives(trial):
                continue
            if _deaths(trial) >= MOST_DEATHS:
                self._give_up(study, trial)
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        trials = study.get_trials(deepcopy=False)
        again = {trial.user_attrs.get(AGAIN) for trial in trials}
        for trial in trials:
            gone = trial.state == TrialState.FAIL and REASON not in trial.user_attrs and trial.number not in again
            if gone and _deaths(trial) < MOST_DEATHS:
                study.add_trial(_copy(trial))

    def _give_up(self, study: Study, trial: FrozenTrial) -> None:
        """Let a trial that killed every worker be one that crashed."""
        reason = f"{_deaths(trial)} workers died of it: out of memory?"
        self.optuna.set_trial_user_attr(trial._trial_id, REASON, reason)
        log.warning("trial %d of %s: %s; it is not tried again", trial.number, study.study_name, reason)


class _Journal(Storage):
    """A journal file, with its locks in a folder beside it."""

    def __init__(self, path: Path) -> None:
        self._path, self._locks = path, path.with_name(f"{path.name}.locks")
        self._locks.mkdir(parents=True, exist_ok=True)
        super().__init__(str(path), JournalStorage(JournalFileBackend(str(path), lock_obj=_AppendLock(path, self._locks / "append.lock"))))  # type: ignore[arg-type]

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        with FileLock(self._lock(f"claim-{name}")):
            yield

    @contextmanager
    def only(self, name: str) -> Iterator[bool]:
        lock = FileLock(self._lock(f"only-{name}"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @contextmanager
    def worker(self, of: str) -> Iterator[str]:
        name = _worker_name(of)
        lock = FileLock(self._worker_lock(name))
        with lock:
            yield name
        Path(lock.lock_file).unlink(missing_ok=True)

    def trouble(self, error: Exception) -> str:
        chain: BaseException | None = error
        while chain is not None:  # Optuna's own errors may hide it
            if isinstance(chain, OSError) and str(self._path) in str(chain.filename):
                return chain.strerror or str(chain)
            chain = chain.__cause__ or chain.__context__
        return ""

    def lives(self, trial: FrozenTrial) -> bool:
        path = Path(self._worker_lock(str(trial.user_attrs[WORKER])))
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
        path.unlink(missing_ok=True)
        return False

    def _worker_lock(self, name: str) -> str:
        return self._lock(f"worker-{name.partition(':')[2]}")

    def _lock(self, name: str) -> str:
        return str(self._locks / f"{name.replace('/', '-')}.lock")


class _AppendLock:
    """The journal's own lock, which Optuna takes to append: one of the OS, so that the dead hold up nobody. Takes half a line away."""

    def __init__(self, path: Path, lock: Path) -> None:
        self._path, self._lock = path, FileLock(lock)

    def acquire(self) -> bool:
        self._lock.acquire()
        with self._path.open("rb+") as file:  # a writer that died, or a full disk, may have left half a line
            end = file.seek(0, os.SEEK_END)
            keep = end
            while keep and _byte_before(file, keep) != b"\n":
                keep -= 1
            if keep < end:
                file.truncate(keep)
        return True

    def release(self) -> None:
        self._lock.release()


class _Database(Storage):
    """PostgreSQL. A lock is a connection's, so it goes with the process; a worker beats while it has a trial."""

    def __init__(self, uri: str, storage: RDBStorage) -> None:
        super().__init__(uri, storage)
        self._rdb = storage
        # Locks are a session's; no transaction is to stay open as long as they last.
        self._engine = create_engine(_with_driver(uri), poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def trouble(self, error: Exception) -> str:
        if not isinstance(error, StorageInternalError | SQLAlchemyError):
            return ""
        return str(getattr(error, "orig", None) or error).replace(self.uri, redacted(self.uri))

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        with self._engine.connect() as connection:
            _execute(connection, "SELECT pg_advisory_lock(:key)", f"claim {name}")
            try:
                yield
            finally:
                _execute(connection, "SELECT pg_advisory_unlock(:key)", f"claim {name}")

    @contextmanager
    def only(self, name: str) -> Iterator[bool]:
        with self._engine.connect() as connection:
            alone = bool(_execute(connection, "SELECT pg_try_advisory_lock(:key)", f"only {name}"))
            try:
                yield alone
            finally:
                if alone:
                    _execute(connection, "SELECT pg_advisory_unlock(:key)", f"only {name}")

    @contextmanager
    def worker(self, of: str) -> Iterator[str]:
        yield _worker_name(of)

    def begin(self, trial: optuna.Trial, worker: str) -> None:
        self._rdb.record_heartbeat(trial._trial_id)  # before it has a worker: without a beat it would never be missed
        super().begin(trial, worker)

    def lives(self, trial: FrozenTrial) -> bool:
        return True  # the dead have no heartbeat, and `give_back` has failed their trials

    def give_back(self, study: Study) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)
        super().give_back(study)


def open_storage(given: str, *, heartbeat: int = HEARTBEAT_SECONDS, grace: int = GRACE_SECONDS) -> Storage:
    """The storage at a path, or at postgresql://...; one that is of another kind or does not answer is a UserError."""
    check_kind(given)
    if is_journal(given):
        return _journal(Path(given))
    uri = _with_driver(given)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            storage = RDBStorage(
                uri, heartbeat_interval=heartbeat, grace_period=grace, engine_kwargs={"connect_args": {"connect_timeout": 5}}
            )
        return _Database(given, storage)
    except ModuleNotFoundError as error:
        raise UserError(
            f"--storage {redacted(given)} needs the Python package {error.name!r}: pip install 'ganbench[postgresql]'"
        ) from error
    except Exception as error:  # of the driver, of SQLAlchemy or of Optuna: they have no common base
        told = one_line(str(error).replace(given, redacted(given)).replace(uri, redacted(uri)), most=160)
        raise UserError(f"--storage {redacted(given)} does not answer: {told}") from error


def _with_driver(uri: str) -> str:
    return "postgresql+psycopg://" + uri.partition("://")[2]


def _journal(path: Path) -> Storage:
    path = path.absolute()
    if path.is_dir():
        raise UserError(f"--storage {str(path)!r} is a folder: give the path of a journal file")
    if why := refusal(path.parent):
        raise UserError(f"--storage {one_line(repr(str(path)), most=300)} cannot be written: {why}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("rb") as file:
            if not _is_journal(file.readline(LONGEST_LINE)):
                raise UserError(f"--storage {str(path)!r} is no journal of Optuna's: give another path")
        return _Journal(path)
    except FileNotFoundError:
        return _Journal(path)
    except OSError as error:
        raise UserError(f"--storage {str(path)!r} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, AssertionError) as error:
        raise UserError(f"--storage {str(path)!r} cannot be read as a journal: {one_line(error, most=120)}") from error


def _worker_name(of: str) -> str:
    return f"{socket.gethostname()}:{of}-{uuid.uuid4().hex}"


def _is_journal(line: bytes) -> bool:
    """Whether a file with this first line is a journal, or empty: nothing else is written to, or taken half a line from."""
    if not line:
        return True
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and isinstance(found.get("op_code"), int) and "worker_id" in found


def _deaths(trial: FrozenTrial) -> int:
    """How many workers have died of the parameters of a trial that failed for no reason of its own, this one among them."""
    return int(trial.user_attrs.get(DEATHS, 0)) + (STOPPED not in trial.user_attrs)


def _copy(trial: FrozenTrial) -> FrozenTrial:
    """The trial as one that waits, with what it has told so far."""
    fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    attributes = {key: value for key, value in trial.user_attrs.items() if key not in (WORKER, STOPPED)}
    return create_trial(
        state=TrialState.WAITING, system_attrs={"fixed_params": fixed}, user_attrs={**attributes, AGAIN: trial.number, DEATHS: _deaths(trial)},
        intermediate_values=dict(trial.intermediate_values),
    )  # fmt: skip


def _byte_before(file: Any, position: int) -> bytes:
    file.seek(position - 1)
    return bytes(file.read(1))


def _execute(connection: Any, sql: str, name: str) -> Any:
    return connection.execute(text(sql), {"key": zlib.crc32(name.encode())}).scalar()
