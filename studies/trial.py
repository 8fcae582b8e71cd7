"""Execute one trial: sample its parameters under the lock, train a run for each seed, prune it, and report to Optuna."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

import optuna
from optuna.exceptions import TrialPruned
from optuna.trial import TrialState

from bench.core.config import DATASETS, RunConfig, merged, override
from bench.core.errors import UserError, one_line
from bench.evaluation.evaluator import evaluator_for
from bench.metrics.columns import IMAGES_PER_SECOND, TRAIN_SECONDS, card
from bench.runs.preparation import check
from bench.runs.runner import run
from bench.runs.types import Judge, RunContext, RunProgress, RunResult, Watch, never_prune
from bench.scheduling.jobs import Job
from bench.scheduling.suite import TUNED
from bench.tracking.client import Lookup, Tracker
from studies.kinds import open_storage
from studies.optuna_studies import DEFAULT, name_of, open_study, target
from studies.sampling import sampler
from studies.storage import AGAIN, REASON, STOPPED, Storage
from studies.study import Arm, Plan

log = logging.getLogger(__name__)
NOTHING = "nothing"  # the status of a job without a trial to start
SETTINGS, RUNS, IMAGES, SECONDS, UNSCORED, DIVERGED = "settings", "runs", "images", "train_seconds", "unscored", "diverged"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


class Stopped(Exception):
    """Exception for an interruption by the user. The trial resumes later from the checkpoint of its run."""


class Failed(Exception):
    """Exception for a trial with a failed run or an invalid configuration."""


class TrialJob(Job):
    """Job that executes one trial of a variant if the variant needs more. If the worker exits, the storage requeues the trial."""

    kind: ClassVar[str] = "trial"
    repeated: ClassVar[bool] = False
    plan: Plan
    arm: int  # its index in the plan
    driver: str  # the process that created the job

    def do(self, stop: Callable[[], bool], watch: Watch) -> RunResult:
        """Execute the trial in this process."""
        storage = open_storage(self.plan.storage)
        with storage.storage_errors():
            return _one(self.plan, self.plan.arms[self.arm], storage, self.driver, stop, watch)


def _one(plan: Plan, arm: Arm, storage: Storage, driver: str, stop: Callable[[], bool], watch: Watch) -> RunResult:
    study = open_study(plan, arm, storage)
    status, reason = NOTHING, ""
    values: dict[str, float] = {}
    with storage.worker(driver) as worker, ExitStack() as lock:
        lock.enter_context(storage.lock(name_of(plan, arm)))
        storage.requeue_dead(study)
        trials = study.get_trials(deepcopy=False)
        if left(trials, target(plan, arm, trials)) > 0:
            begun = sum(trial.state != TrialState.WAITING and AGAIN not in trial.user_attrs for trial in trials)
            study.sampler = sampler(plan, arm.variant, begun)
            do = _Trial(plan=plan, arm=arm, storage=storage, worker=worker, lock=lock, stop=stop, watch=watch)
            try:
                study.optimize(do, n_trials=1, catch=(Failed,))
            except Stopped:
                status = "interrupted"
            else:
                status, reason = do.status, do.reason
            values = do.values
    return RunResult(run_id="", variant=arm.variant, dataset=arm.base.dataset, seed=-1, status=status, reason=reason, values=values)


def left(trials: list[optuna.trial.FrozenTrial], wanted: int) -> int:
    """Return the number of trials that may still start. Complete, pruned and running trials count as started."""
    return wanted - sum(trial.state in (*DONE, TrialState.RUNNING) for trial in trials)


@dataclass(kw_only=True)
class _Trial:
    """The objective function for Optuna."""

    plan: Plan
    arm: Arm
    storage: Storage
    worker: str
    lock: ExitStack
    stop: Callable[[], bool]
    watch: Watch
    status: str = "finished"
    reason: str = ""
    values: dict[str, float] = field(default_factory=dict)  # "trial": its number; scores by metric
    images: dict[int, int] = field(default_factory=dict)  # images of each seed so far

    def __call__(self, trial: optuna.Trial) -> float | tuple[float, ...]:
        """Return the objectives of a trial. Raises TrialPruned, Stopped or Failed."""
        point = {dimension.path: dimension.suggest(trial) for dimension in self.arm.dimensions}
        # The default has no settings: a dimension with several paths would change all paths but the first.
        settings = {} if trial.user_attrs.get(DEFAULT) else self.arm.settings(point)
        trial.set_user_attr(SETTINGS, merged(settings))
        self.values["trial"] = trial.number
        self.storage.begin(trial, self.worker)
        self.lock.close()
        try:
            return self._judged(trial, self._configs(trial, settings))
        except (Stopped, UserError):  # an interruption, or a store that does not answer: the parameters are not the cause
            trial.set_user_attr(STOPPED, True)
            raise

    def _configs(self, trial: optuna.Trial, settings: Mapping[str, Any]) -> list[RunConfig]:
        """Return a configuration for each seed. Raises Failed for an invalid point of the space."""
        try:
            configs = [override(self.arm.base, {**settings, "seed": seed}) for seed in self.plan.search_seeds]
            check(configs[0])
        except UserError as error:
            raise self._failed(trial, str(error)) from error
        return configs

    def _failed(self, trial: optuna.Trial, reason: str) -> Failed:
        self.status, self.reason = "failed", reason
        trial.set_user_attr(REASON, reason)
        return Failed(reason)

    def _judged(self, trial: optuna.Trial, configs: Sequence[RunConfig]) -> float | tuple[float, ...]:
        found: list[tuple[float, ...]] = []
        spent: list[RunResult] = []
        for index, config in enumerate(configs):
            if self.stop():
                raise Stopped
            result = self._run(trial, config, index)
            spent.append(result)
            self._tell_cost(trial, spent)
            if result.status in ("interrupted", "busy"):  # busy: interrupted by the user while another process holds the run lock
                raise Stopped
            if result.status == "failed":
                raise self._failed(trial, result.reason)
            if result.status == "pruned":
                self.status, self.reason = "pruned", result.reason
                raise TrialPruned(result.reason)
            why = self._unscored(result)
            if why:
                trial.set_user_attr(UNSCORED, why)
                trial.set_user_attr(DIVERGED, result.status == "diverged")
                self.status, self.reason = result.status, why
                scores = tuple(objective.worst for objective in self.plan.objectives)
                self._report(trial, scores[0], index)
                return scores if len(scores) > 1 else scores[0]
            found.append(tuple(result.values[objective.key] for objective in self.plan.objectives))
            if self._report(trial, found[-1][0], index):
                self.status, self.reason = "pruned", f"worse than the best over {index + 1} seeds"
                raise TrialPruned(self.reason)
        means = tuple(fmean(column) for column in zip(*found, strict=True))
        self.values |= {objective.key: mean for objective, mean in zip(self.plan.objectives, means, strict=True)}
        return means if len(means) > 1 else means[0]

    def _report(self, trial: optuna.Trial, value: float, index: int) -> bool:
        """Report the value of a seed to a pruner that compares seeds. Returns True if it prunes the trial."""
        if self.plan.pruner != "wilcoxon":
            return False
        trial.report(value, step=index)
        return index + 1 < len(self.plan.search_seeds) and trial.should_prune()

    def _unscored(self, result: RunResult) -> str:
        """Return the reason why a run has no score, or ""."""
        if result.status != "finished":
            return result.reason or result.status
        for objective in self.plan.objectives:
            if not math.isfinite(result.values.get(objective.key, math.nan)):
                return f"{objective.key} is not finite: {result.reasons.get(objective.key, 'no reason recorded')}"
        return ""

    def _tell_cost(self, trial: optuna.Trial, spent: list[RunResult]) -> None:
        trial.set_user_attr(RUNS, [result.run_id for result in spent])
        trial.set_user_attr(IMAGES, sum(self.images.values()))
        trial.set_user_attr(SECONDS, sum(result.values.get(TRAIN_SECONDS, 0.0) for result in spent))

    def _run(self, trial: optuna.Trial, config: RunConfig, index: int) -> RunResult:
        """Train one seed, or return the result of its recorded run."""
        fingerprint = config.fingerprint(data_digest=DATASETS.get(config.dataset).digest())
        known = self._known(fingerprint, config)
        if known is not None:
            self.images[index] = _images_of(known.data.metrics)
            Tracker(self.plan.uri, self.plan.study).tag(known.info.run_id, {"trial": str(trial.number)})
            return _result_of(known, config)
        context = RunContext(
            uri=self.plan.uri, suite=self.plan.study, folder=str(Path(self.plan.folder) / self.plan.study), parent=self.plan.parent or None,
            name=f"{config.variant}-trial{trial.number}-s{config.seed - self.plan.search_seeds[0]}",
            track=TUNED, note=self.arm.note, overrides=merged(self.arm.overrides, trial.user_attrs[SETTINGS]),
            tags={"study": self.plan.study, "phase": "search", "trial": str(trial.number)},
        )  # fmt: skip

        def watch(progress: RunProgress) -> None:
            self.images[index] = progress.images
            self.watch(progress)

        return run(config, context, stop=self.stop, watch=watch, judge=self._judge(trial, config, index))

    def _judge(self, trial: optuna.Trial, config: RunConfig, index: int) -> Judge:
        """Return the pruning callback of a run. Only the first seed is judged at its evaluation points."""
        return _Judge(trial, config) if self.plan.judged_at_marks and not index else never_prune

    def _known(self, fingerprint: str, config: RunConfig) -> Any | None:
        """Return the recorded run of that fingerprint in this study if it diverged, or finished with the same evaluation protocol."""
        evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
        protocol = evaluator.protocol_hash if evaluator else ""
        found = Lookup.of(self.plan.uri, self.plan.study).find(fingerprint)
        return next((recorded for recorded in found if _has_ended(recorded.data.tags, protocol)), None)


class _Judge:
    """Callback that reports the evaluation points of a run to Optuna and returns a reason to prune it, or "".

    The step is the planned position of the evaluation point. Trials with different k or batch size reach it at slightly different images,
    and Optuna compares only equal steps.
    """

    def __init__(self, trial: optuna.Trial, config: RunConfig) -> None:
        self._trial = trial
        self._parts = config.evaluation.marks + 1
        self._images = config.budget.images

    def __call__(self, progress: RunProgress) -> str:
        if not progress.measured or progress.measured_at != progress.images:
            return ""
        (key, value), *_ = progress.measured.items()
        if not math.isfinite(value):
            return ""
        step = step_of(progress.share, self._parts, self._images)
        self._trial.report(value, step=step)
        if not self._trial.should_prune():
            return ""
        return f"{card(key).title} {value:.4g} at {progress.images:,} images, its best so far is worse than the median"


def step_of(share: float, parts: int, images: int | None) -> int:
    """Return the step of the evaluation point at a share of the budget: in images for a budget in images, else its index."""
    index = round(share * parts)
    return index if images is None else round(images * index / parts)


def _has_ended(tags: Mapping[str, str], protocol: str) -> bool:
    """Return whether a run has a score under this evaluation protocol, or has diverged."""
    return tags.get("status") == "diverged" or (tags.get("status") == "finished" and tags.get("protocol") == protocol)


def _images_of(values: Mapping[str, float]) -> int:
    return round(values.get(IMAGES_PER_SECOND, 0.0) * values.get(TRAIN_SECONDS, 0.0))


def _result_of(recorded: Any, config: RunConfig) -> RunResult:
    """Return the result of a recorded run."""
    tags = recorded.data.tags
    return RunResult(
        run_id=str(recorded.info.run_id), variant=config.variant, dataset=config.dataset, seed=config.seed, status=tags["status"],
        reason=one_line(tags.get("reason", ""), most=500), values=dict(recorded.data.metrics), headline=tags.get("headline", ""),
    )  # fmt: skip
