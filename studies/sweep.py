"""A study from its start to its end: trials given out to workers until every variant has as many as were asked for, then the final runs."""

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
from studies import record
from studies.final import do_final
from studies.kinds import open_storage
from studies.opening import DEFAULT, check_known, name_of, open_study, target
from studies.record import Record
from studies.storage import REASON, WORKER, Storage
from studies.study import Arm, Plan
from studies.trial import DONE, NOTHING, UNSCORED, TrialJob, left

LOOK_SECONDS = 2.0  # between looks at what other processes do
GIVE_UP = 3  # trials of a variant that crash, after which it gets no more
MOST_DEATHS = 10  # of a variant's workers in one execution


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a variant has come."""

    variant: str
    wanted: int
    complete: int = 0
    pruned: int = 0
    unscored: int = 0  # of the complete ones
    running: int = 0
    failed: int = 0
    default: float | None = None  # the first objective of the author's numbers
    best: float | None = None
    best_trial: int | None = None

    @property
    def done(self) -> int:
        """What counts towards the number that was asked for."""
        return self.complete + self.pruned


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """How a study ended."""

    standings: tuple[Standing, ...]
    interrupted: bool = False
    given_up: tuple[str, ...] = ()  # variants whose trials crash
    final: ExecutionResult | None = None
    elsewhere: bool = False  # whether another process does the final runs
    json: str = ""


class StudyDisplay:
    """What a study shows while it goes on. This one shows nothing."""

    def start(self, plan: Plan, standings: Sequence[Standing], *, workers: int) -> None:
        """Before the first trial."""

    def update(self, job: TrialJob, progress: object) -> None:
        """A trial has told how far its run is."""

    def end(self, job: TrialJob, result: RunResult, standings: Sequence[Standing]) -> None:
        """A trial has ended."""

    def searched(self, standings: Sequence[Standing]) -> None:
        """All trials have ended, and the final runs begin."""


@dataclass(kw_only=True)
class _Search:
    """Gives out trials. Other processes may do the same, on the same storage."""

    plan: Plan
    storage: Storage
    studies: Sequence[optuna.Study]
    driver: str
    out: Counter[int] = field(default_factory=Counter)  # jobs of each arm that have not ended
    given_up: set[int] = field(default_factory=set)
    crashes: Counter[int] = field(default_factory=Counter)  # in this execution, as are deaths of workers
    deaths: Counter[int] = field(default_factory=Counter)
    number: int = 0
    looked: float = 0.0

    def jobs(self) -> Iterator[TrialJob | None]:
        """A job for every trial that is to be begun; None while there is only to wait for those under way."""
        while True:
            needs = {index: need for index in range(len(self.plan.arms)) if index not in self.given_up and (need := self._need(index)) > 0}
            if needs:
                chosen = max(needs, key=lambda index: (needs[index], -index))
                self.out[chosen] += 1
                self.number += 1
                yield self._job(chosen)
            elif sum(self.out.values()) or self._others():
                self._look()
                yield None
            else:
                return

    def ended(self, job: TrialJob, result: RunResult) -> None:
        """A job has ended."""
        index = job.arm
        self.out[index] -= 1
        if result.status == "failed":
            (self.crashes if "trial" in result.values else self.deaths)[index] += 1
        if self.crashes[index] >= GIVE_UP or self.deaths[index] >= MOST_DEATHS:
            self.given_up.add(index)

    def _need(self, index: int) -> int:
        """Trials of a variant that nobody has begun and that no job of ours is about to."""
        trials = self._trials(index)
        mine = sum(self._is_mine(trial) for trial in trials)
        return left(trials, target(self.plan, self.plan.arms[index], trials)) + mine - self.out[index]

    def _others(self) -> bool:
        """Whether other processes have trials under way, whose workers may yet die."""
        return any(
            trial.state == TrialState.RUNNING and not self._is_mine(trial)
            for index in range(len(self.plan.arms)) if index not in self.given_up for trial in self._trials(index)
        )  # fmt: skip

    def _look(self) -> None:
        """Give back, now and then, what dead workers hold."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        for arm, study in zip(self.plan.arms, self.studies, strict=True):
            with self.storage.claim(name_of(self.plan, arm)):
                self.storage.give_back(study)

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
    """Do what is missing of a study. UserError, before anything runs, for what cannot be: a store, a storage, a folder, another study of that name."""
    folder = Path(plan.folder) / plan.study
    check_writable(folder)
    bases = [resolve(arm.base) for arm in plan.arms]
    cluster = cluster.resolved(threads=max(base.threads for base in bases), cuda=any(base.device.startswith("cuda") for base in bases))
    chosen = cluster.workers(workers)
    if cluster.address:
        alone = [
            *(["a SQLite store"] if sqlite_path(plan.uri) else []),
            *(["a journal file (--storage)"] if "://" not in plan.storage else []),
        ]
        check_nodes(cluster, folder, one_machine=alone)
    Lookup.of(plan.uri, plan.study)  # a store that does not answer says so before anything is written
    storage = open_storage(plan.storage)
    with storage.store_errors():
        check_known(plan, storage)
        tracker = Tracker(plan.uri, plan.study)  # before the studies: its experiment may have been deleted
        record_choices(tracker, plan.auto)
        studies = [open_study(plan, arm, storage) for arm in plan.arms]
        make_folder(folder)
        with storage.claim(plan.study):
            parent = record.open_parent(plan, tracker)
    plan = plan.model_copy(update={"parent": parent})
    keeping = Record(plan, tracker, parent, studies)
    status, ended = "failed", Sweep(standings=())
    try:
        with storage.store_errors():
            ended = _sweep(plan, storage, studies, keeping, chosen, cluster, stop, display, final_display)
            keeping.update(final=True)
        status = "interrupted" if ended.interrupted else "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        if parent:
            tracker.end_parent(parent, status)
    return ended


def _sweep(
    plan: Plan, storage: Storage, studies: Sequence[optuna.Study], keeping: Record, workers: int, cluster: Cluster,
    stop: Callable[[], bool], display: StudyDisplay, final_display: Callable[[], Display],
) -> Sweep:  # fmt: skip
    search = _Search(plan=plan, storage=storage, studies=studies, driver=uuid.uuid4().hex[:12])
    display.start(plan, standings(plan, studies), workers=workers)
    jobs = search.jobs()
    most = sum(max(0, standing.wanted - standing.done) for standing in standings(plan, studies))
    keeping.update()
    for job, result in execute(jobs, workers=max(1, min(workers, most)), stop=stop, update=display.update, cluster=cluster):
        search.ended(job, result)
        if result.status != NOTHING:
            display.end(job, result, standings(plan, studies))
        keeping.update()
    given_up = tuple(plan.arms[index].variant for index in sorted(search.given_up))
    found = Sweep(standings=tuple(standings(plan, studies)), interrupted=stop(), given_up=given_up, json=keeping.update(final=True))
    if stop() or not plan.final_seeds:
        return found
    display.searched(found.standings)
    with storage.only(f"{plan.study} final") as alone:
        if not alone:
            return replace(found, elsewhere=True)
        outcome = do_final(plan, studies, workers=workers, cluster=cluster, stop=stop, display=final_display(), parent=plan.parent)
    return replace(found, interrupted=outcome.interrupted, final=outcome)


def standings(plan: Plan, studies: Sequence[optuna.Study]) -> list[Standing]:
    """How far every variant has come."""
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
