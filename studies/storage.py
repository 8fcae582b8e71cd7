"""Where the trials of studies are kept, and who holds what. `studies.journal` and `studies.database` are the two kinds.

A claim is exclusive: under it the trials of the dead are given back and a new one is taken, so that there are never too many.
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

# Attributes of a trial: who has it, why it failed, that it was stopped from outside, whose parameters it tries again, and how many workers died of them.
WORKER, REASON, STOPPED, AGAIN, DEATHS = "worker", "reason", "stopped", "again", "deaths"
MOST_DEATHS = 5  # of workers on the same parameters: then those are to blame

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that fails says so in our words


class Storage(ABC):
    """Trials on one storage. Made by `studies.kinds.open_storage`."""

    def __init__(self, uri: str, optuna_storage: BaseStorage) -> None:
        self.uri = uri
        self.optuna = optuna_storage

    @contextmanager
    def store_errors(self) -> Iterator[None]:
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


def worker_name(of: str) -> str:
    """A name that no other worker has, which tells of its machine and of whom it works for."""
    return f"{socket.gethostname()}:{of}-{uuid.uuid4().hex}"


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
