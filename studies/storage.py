"""Storage of trials and locks. `studies.journal` and `studies.database` are the two kinds.

A process requeues trials of dead workers and starts a new trial under an exclusive lock, so that no study gets too many trials.
"""

from __future__ import annotations

import logging
import socket
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from bench.core.errors import UserError, one_line
from bench.tracking.store import redacted

# Attributes of a trial: its worker, the reason of a failure, and an interruption by the user.
# A repeated trial also has the number of the first trial, and the number of workers that exited with its parameters.
WORKER, REASON, STOPPED, AGAIN, DEATHS = "worker", "reason", "stopped", "again", "deaths"
MOST_DEATHS = 5  # of workers with the same parameters: after these, the parameters are the likely cause

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.ERROR)  # this project logs failed trials itself


class Storage(ABC):
    """Base class of a storage of trials. `studies.kinds.open_storage` creates one."""

    def __init__(self, uri: str, optuna_storage: BaseStorage) -> None:
        self.uri = uri
        self.optuna = optuna_storage

    @contextmanager
    def storage_errors(self) -> Iterator[None]:
        """Context manager that turns an error of the storage into a UserError."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if message := self.error_text(error):
                raise UserError(f"--storage {redacted(self.uri)} failed: {one_line(message, most=160)}") from error
            raise

    @abstractmethod
    def error_text(self, error: Exception) -> str:
        """Return the storage's message for an error, or "" if the error has another cause."""

    @abstractmethod
    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Context manager that holds the exclusive lock for starting and requeuing trials of a study."""
        raise NotImplementedError

    @abstractmethod
    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Context manager that acquires a lock without waiting. Yields True if this process holds the lock."""
        raise NotImplementedError

    @abstractmethod
    @contextmanager
    def worker(self, of: str) -> Iterator[str]:
        """Context manager that registers a worker as alive. Yields its name, which starts with this host and `of`."""
        raise NotImplementedError

    def begin(self, trial: optuna.Trial, worker: str) -> None:
        """Record the worker of a trial."""
        trial.set_user_attr(WORKER, worker)

    @abstractmethod
    def is_alive(self, trial: FrozenTrial) -> bool:
        """Return whether the worker of a running trial may be alive."""
        raise NotImplementedError

    def requeue_dead(self, study: Study) -> None:
        """Fail the trials of dead workers, and enqueue the parameters of interrupted trials again.

        The caller holds `lock`. After an interruption, another call continues without losing a trial or enqueuing it twice.
        """
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if WORKER in trial.user_attrs and self.is_alive(trial):
                continue
            if _deaths(trial) >= MOST_DEATHS:
                self._give_up(study, trial)
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        trials = study.get_trials(deepcopy=False)
        again = {trial.user_attrs.get(AGAIN) for trial in trials}
        for trial in trials:
            is_interrupted = trial.state == TrialState.FAIL and REASON not in trial.user_attrs and trial.number not in again
            if is_interrupted and _deaths(trial) < MOST_DEATHS:
                study.add_trial(_copy(trial))

    def _give_up(self, study: Study, trial: FrozenTrial) -> None:
        """Record a trial as failed after `MOST_DEATHS` workers exited during it."""
        reason = f"{_deaths(trial)} workers exited during this trial: out of memory?"
        self.optuna.set_trial_user_attr(trial._trial_id, REASON, reason)
        log.warning("trial %d of %s: %s; it is not repeated", trial.number, study.study_name, reason)


def worker_name(of: str) -> str:
    """Return a unique worker name that starts with the host and `of`."""
    return f"{socket.gethostname()}:{of}-{uuid.uuid4().hex}"


def _deaths(trial: FrozenTrial) -> int:
    """Return the number of workers that exited with the parameters of an interrupted trial, including this trial's worker."""
    return int(trial.user_attrs.get(DEATHS, 0)) + (STOPPED not in trial.user_attrs)


def _copy(trial: FrozenTrial) -> FrozenTrial:
    """Return a waiting copy of a trial, with its reported values."""
    fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    attributes = {key: value for key, value in trial.user_attrs.items() if key not in (WORKER, STOPPED)}
    return create_trial(
        state=TrialState.WAITING, system_attrs={"fixed_params": fixed}, user_attrs={**attributes, AGAIN: trial.number, DEATHS: _deaths(trial)},
        intermediate_values=dict(trial.intermediate_values),
    )  # fmt: skip
