"""Trials in PostgreSQL, for several machines.

Locks are advisory locks, which PostgreSQL releases when the connection ends. Optuna's heartbeat detects dead workers.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bench.core.errors import UserError
from bench.tracking.store import plain_error, redacted
from studies.storage import Storage, worker_name

HEARTBEAT_SECONDS, GRACE_SECONDS = 15, 60
ANSWER_SECONDS = 5


class Database(Storage):
    """Storage in PostgreSQL. A worker sends a heartbeat while it executes a trial."""

    def __init__(self, uri: str, storage: RDBStorage) -> None:
        super().__init__(uri, storage)
        self._rdb = storage
        # Locks belong to a session. With autocommit, no transaction stays open while a lock is held.
        self._engine = create_engine(_with_driver(uri), poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def error_text(self, error: Exception) -> str:
        """Return the message of the database or its driver, or "" for other errors."""
        if not isinstance(error, StorageInternalError | SQLAlchemyError):
            return ""
        return plain_error(error, self.uri)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Context manager that waits for an advisory lock and holds it."""
        with self._engine.connect() as connection:
            _execute(connection, "SELECT pg_advisory_lock(:key)", f"claim {name}")  # the key of earlier versions
            try:
                yield
            finally:
                _execute(connection, "SELECT pg_advisory_unlock(:key)", f"claim {name}")

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Context manager that holds an advisory lock if it is free. Yields True if it holds the lock."""
        with self._engine.connect() as connection:
            is_locked = bool(_execute(connection, "SELECT pg_try_advisory_lock(:key)", f"only {name}"))
            try:
                yield is_locked
            finally:
                if is_locked:
                    _execute(connection, "SELECT pg_advisory_unlock(:key)", f"only {name}")

    @contextmanager
    def worker(self, of: str) -> Iterator[str]:
        yield worker_name(of)

    def begin(self, trial: optuna.Trial, worker: str) -> None:
        self._rdb.record_heartbeat(trial._trial_id)  # before the worker is set: a trial without a heartbeat would never become stale
        super().begin(trial, worker)

    def is_alive(self, trial: FrozenTrial) -> bool:
        return True  # `requeue_dead` has failed all trials without a heartbeat

    def requeue_dead(self, study: Study) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)
        super().requeue_dead(study)


def open_database(given: str, *, heartbeat: int = HEARTBEAT_SECONDS, grace: int = GRACE_SECONDS) -> Storage:
    """Open the database at postgresql://... Raises UserError if it does not answer."""
    uri = _with_driver(given)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            storage = RDBStorage(
                uri, heartbeat_interval=heartbeat, grace_period=grace, engine_kwargs={"connect_args": {"connect_timeout": ANSWER_SECONDS}}
            )
        return Database(given, storage)
    except ModuleNotFoundError as error:
        raise UserError(
            f"--storage {redacted(given)} needs the Python package {error.name!r}: pip install 'ganbench[postgresql]'"
        ) from error
    except Exception as error:  # the errors of the driver, SQLAlchemy and Optuna have no common base
        raise UserError(
            f"--storage {redacted(given)} does not answer: {plain_error(error, uri)}; start the database, or choose another --storage"
        ) from error


def _with_driver(uri: str) -> str:
    return "postgresql+psycopg://" + uri.partition("://")[2]


def _execute(connection: Any, sql: str, name: str) -> Any:
    return connection.execute(text(sql), {"key": zlib.crc32(name.encode())}).scalar()
