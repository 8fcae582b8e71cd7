"""Run a study: send trials to workers until every variant has the requested number, then execute the final runs."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from bench.core.atomic_files import check_writable, make_folder
from bench.runs.auto_choice import record_choices, resolve
from bench.runs.types import RunResult
from bench.scheduling.cluster import HERE, Cluster, check_nodes
from bench.scheduling.executor import execute
from bench.scheduling.scheduler import Display, ExecutionResult
from bench.tracking.client import Lookup, Tracker
from bench.tracking.store import sqlite_path
from bench.tracking.views import update_views
from studies import record
from studies.final_runs import execute_final_runs
from studies.kinds import open_storage
from studies.optuna_studies import DEFAULT, as_begun, check_known, name_of, open_study, target
from studies.record import StudyRecorder
from studies.storage import REASON, WORKER, Storage
from studies.study import Arm, Plan
from studies.trial import DONE, NOTHING, UNSCORED, TrialJob, left

POLL_SECONDS = 2.0  # between checks for dead workers of other processes
GIVE_UP = 3  # failed trials of a variant, after which the study starts no more of them
MOST_DEATHS = 10  # workers of a variant that exit during one command, after which the study starts no more of its trials


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The progress of a variant."""

    variant: str
    wanted: int
    complete: int = 0
    pruned: int = 0
    unscored: int = 0  # complete and pruned trials without a score
    running: int = 0
    failed: int = 0
    default: float | None = None  # the first objective of the default recipe
    best: float | None = None
    best_trial: int | None = None

    @property
    def done(self) -> int:
        """The trials that count towards `wanted`."""
        return self.complete + self.pruned


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The result of a study."""

    standings: tuple[Standing, ...]
    interrupted: bool = False
    given_up: tuple[str, ...] = ()  # variants with too many failed trials
    final: ExecutionResult | None = None
    elsewhere: bool = False  # another process executes the final runs
    json: str = ""


class StudyDisplay:
    """Base class of progress displays. It displays nothing."""

    def start(self, plan: Plan, standings: Sequence[Standing], *, workers: int) -> None:
        """Display the start of the search, before the first trial."""

    def update(self, job: TrialJob, progress: object) -> None:
        """Display the progress of a trial."""

    def end(self, job: TrialJob, result: RunResult, standings: Sequence[Standing]) -> None:
        """Display the end of a trial."""

    def searched(self, standings: Sequence[Standing]) -> None:
        """Display the end of the search, before the final runs."""


@dataclass(kw_only=True)
class _Search:
    """Source of jobs for trials. Other processes may start trials on the same storage."""

    plan: Plan
    storage: Storage
    studies: Sequence[optuna.Study]
    driver: str
    out: Counter[int] = field(default_factory=Counter)  # unfinished jobs of each arm
    given_up: set[int] = field(default_factory=set)
    crashes: Counter[int] = field(default_factory=Counter)  # since this command started, like `deaths`
    deaths: Counter[int] = field(default_factory=Counter)
    number: int = 0
    polled: float = 0.0

    def jobs(self) -> Iterator[TrialJob | None]:
        """Yield a job for every trial to start. Yield None while the search only waits for running trials."""
        while True:
            needs = {index: need for index in range(len(self.plan.arms)) if index not in self.given_up and (need := self._need(index)) > 0}
            if needs:
                chosen = max(needs, key=lambda index: (needs[index], -index))
                self.out[chosen] += 1
                self.number += 1
                yield self._job(chosen)
            elif sum(self.out.values()) or self._others():
                self._poll()
                yield None
            else:
                return

    def ended(self, job: TrialJob, result: RunResult) -> None:
        """Update the counts after a job."""
        index = job.arm
        self.out[index] -= 1
        if result.status == "failed":
            (self.crashes if "trial" in result.values else self.deaths)[index] += 1
        if self.crashes[index] >= GIVE_UP or self.deaths[index] >= MOST_DEATHS:
            self.given_up.add(index)

    def _need(self, index: int) -> int:
        """Return the number of trials of a variant that still need a job of this search."""
        trials = self._trials(index)
        mine = sum(self._is_mine(trial) for trial in trials)
        return left(trials, target(self.plan, self.plan.arms[index], trials)) + mine - self.out[index]

    def _others(self) -> bool:
        """Return whether other processes have running trials, whose workers may still exit without a result."""
        return any(
            trial.state == TrialState.RUNNING and not self._is_mine(trial)
            for index in range(len(self.plan.arms)) if index not in self.given_up for trial in self._trials(index)
        )  # fmt: skip

    def _poll(self) -> None:
        """Requeue the trials of dead workers, at most every `POLL_SECONDS`."""
        if time.monotonic() - self.polled < POLL_SECONDS:
            return
        self.polled = time.monotonic()
        for arm, study in zip(self.plan.arms, self.studies, strict=True):
            with self.storage.lock(name_of(self.plan, arm)):
                self.storage.requeue_dead(study)

    def _is_mine(self, trial: FrozenTrial) -> bool:
        return trial.state == TrialState.RUNNING and f":{self.driver}-" in str(trial.user_attrs.get(WORKER, ""))

    def _trials(self, index: int) -> list[FrozenTrial]:
        return self.studies[index].get_trials(deepcopy=False)

    def _job(self, index: int) -> TrialJob:
        arm = self.plan.arms[index]
        return TrialJob(
            name=f"{arm.variant} trial", key=f"trial-{self.driver}-{self.number}", folder=str(Path(self.plan.folder) / self.plan.study),
            dataset=arm.base.dataset, plan=self.plan, arm=index, driver=self.driver,
        )  # fmt: skip


def sweep(
    plan: Plan, *, workers: int | None, stop: Callable[[], bool], display: StudyDisplay, final_display: Callable[[], Display],
    cluster: Cluster = HERE,
) -> Sweep:  # fmt: skip
    """Execute the missing trials and final runs of a study.

    Raises UserError before the first trial if the store, the storage or the folder is not usable, or if a different study has that name.
    """
    folder = Path(plan.folder) / plan.study
    check_writable(folder)
    bases = [resolve(arm.base) for arm in plan.arms]
    cluster = cluster.resolved(threads=max(base.threads for base in bases), cuda=any(base.device.startswith("cuda") for base in bases))
    chosen = cluster.workers(workers)
    if cluster.address:
        one_machine = [
            *(["a SQLite store"] if sqlite_path(plan.uri) else []),
            *(["a journal file (--storage)"] if "://" not in plan.storage else []),
        ]
        check_nodes(cluster, folder, one_machine=one_machine)
    Lookup.of(plan.uri, plan.study)  # raises before this process writes anything if the store does not answer
    storage = open_storage(plan.storage)
    with storage.storage_errors():
        plan = as_begun(plan, storage)
        check_known(plan, storage)
        tracker = Tracker(plan.uri, plan.study)  # before the studies: raises if the experiment is deleted
        record_choices(tracker, plan.auto)
        studies = [open_study(plan, arm, storage) for arm in plan.arms]
        make_folder(folder)
        with storage.lock(plan.study):
            parent = record.open_parent(plan, tracker)
    plan = plan.model_copy(update={"parent": parent})
    recorder = StudyRecorder(plan, tracker, parent, studies)
    status, ended = "failed", Sweep(standings=())
    try:
        with storage.storage_errors():
            ended = _sweep(plan, storage, studies, recorder, chosen, cluster, stop, display, final_display)
            recorder.update(final=True)
        status = "interrupted" if ended.interrupted else "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        if parent:
            tracker.end_parent(parent, status)
    update_views(plan.uri, tracker.client, plan.study)
    return ended


def _sweep(
    plan: Plan, storage: Storage, studies: Sequence[optuna.Study], recorder: StudyRecorder, workers: int, cluster: Cluster,
    stop: Callable[[], bool], display: StudyDisplay, final_display: Callable[[], Display],
) -> Sweep:  # fmt: skip
    search = _Search(plan=plan, storage=storage, studies=studies, driver=uuid.uuid4().hex[:12])
    display.start(plan, standings(plan, studies), workers=workers)
    jobs = search.jobs()
    most = sum(max(0, standing.wanted - standing.done) for standing in standings(plan, studies))
    recorder.update()
    for job, result in execute(jobs, workers=max(1, min(workers, most)), stop=stop, update=display.update, cluster=cluster):
        search.ended(job, result)
        if result.status != NOTHING:
            display.end(job, result, standings(plan, studies))
        recorder.update()
    given_up = tuple(plan.arms[index].variant for index in sorted(search.given_up))
    found = Sweep(standings=tuple(standings(plan, studies)), interrupted=stop(), given_up=given_up, json=recorder.update(final=True))
    if stop() or not plan.final_seeds:
        return found
    display.searched(found.standings)
    with storage.try_lock(f"{plan.study} final") as is_locked:
        if not is_locked:
            return replace(found, elsewhere=True)
        outcome = execute_final_runs(
            plan, studies, workers=workers, cluster=cluster, stop=stop, display=final_display(), parent=plan.parent
        )
    return replace(found, interrupted=outcome.interrupted, final=outcome)


def standings(plan: Plan, studies: Sequence[optuna.Study]) -> list[Standing]:
    """Return the progress of every variant."""
    return [_standing(plan, arm, study.get_trials(deepcopy=False)) for arm, study in zip(plan.arms, studies, strict=True)]


def _standing(plan: Plan, arm: Arm, trials: Sequence[FrozenTrial]) -> Standing:
    states = Counter(trial.state for trial in trials)
    chosen = record.best(plan, trials)
    default = next((trial.values[0] for trial in record.scored(trials) if trial.user_attrs.get(DEFAULT)), None)
    return Standing(
        variant=arm.variant, wanted=target(plan, arm, trials), complete=states[TrialState.COMPLETE], pruned=states[TrialState.PRUNED],
        unscored=sum(UNSCORED in trial.user_attrs for trial in trials if trial.state in DONE), running=states[TrialState.RUNNING],
        failed=sum(trial.state == TrialState.FAIL and REASON in trial.user_attrs for trial in trials), default=default,
        best=chosen.values[0] if chosen else None, best_trial=chosen.number if chosen else None,
    )  # fmt: skip
