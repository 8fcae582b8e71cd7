"""One trial: its numbers taken under a claim, a run for each seed, pruned where it is not worth going on, and told to Optuna."""

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
from bench.metrics.cards import card
from bench.runs.preparation import check
from bench.runs.runner import run
from bench.runs.types import Judge, RunContext, RunProgress, RunResult, Watch, never_prune
from bench.scheduling.jobs import Job
from bench.scheduling.suite import TUNED
from bench.tracking.client import Lookup, Tracker
from studies.kinds import open_storage
from studies.opening import DEFAULT, name_of, open_study, target
from studies.sampling import sampler
from studies.storage import AGAIN, REASON, STOPPED, Storage
from studies.study import Arm, Plan

log = logging.getLogger(__name__)
NOTHING = "nothing"  # the status of a job that found no trial to take
SETTINGS, RUNS, IMAGES, SECONDS, UNSCORED, DIVERGED = "settings", "runs", "images", "train_seconds", "unscored", "diverged"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


class Stopped(Exception):
    """The user asked to stop; the trial goes on later, from its run's checkpoint."""


class Failed(Exception):
    """A run of the trial crashed."""


class TrialJob(Job):
    """Take a trial of a variant, if one is left, and do it. A worker that dies leaves its trial to the storage, which gives it out again."""

    kind: ClassVar[str] = "trial"
    repeated: ClassVar[bool] = False
    plan: Plan
    arm: int  # its index in the plan
    driver: str  # the process that gave it out

    def do(self, stop: Callable[[], bool], watch: Watch) -> RunResult:
        """Do it in this process."""
        storage = open_storage(self.plan.storage)
        with storage.store_errors():
            return _one(self.plan, self.plan.arms[self.arm], storage, self.driver, stop, watch)


def _one(plan: Plan, arm: Arm, storage: Storage, driver: str, stop: Callable[[], bool], watch: Watch) -> RunResult:
    study = open_study(plan, arm, storage)
    status, reason = NOTHING, ""
    told: dict[str, float] = {}
    with storage.worker(driver) as worker, ExitStack() as claim:
        claim.enter_context(storage.claim(name_of(plan, arm)))
        storage.give_back(study)
        trials = study.get_trials(deepcopy=False)
        if left(trials, target(plan, arm, trials)) > 0:
            begun = sum(trial.state != TrialState.WAITING and AGAIN not in trial.user_attrs for trial in trials)
            study.sampler = sampler(plan, arm.variant, begun)
            do = _Trial(plan=plan, arm=arm, storage=storage, worker=worker, claim=claim, stop=stop, watch=watch)
            try:
                study.optimize(do, n_trials=1, catch=(Failed,))
            except Stopped:
                status = "interrupted"
            else:
                status, reason = do.status, do.reason
            told = do.told
    return RunResult(run_id="", variant=arm.variant, dataset=arm.base.dataset, seed=-1, status=status, reason=reason, values=told)


def left(trials: list[optuna.trial.FrozenTrial], wanted: int) -> int:
    """How many more trials may be taken: complete and pruned ones count, and those under way."""
    return wanted - sum(trial.state in (*DONE, TrialState.RUNNING) for trial in trials)


@dataclass(kw_only=True)
class _Trial:
    """The objective that Optuna calls."""

    plan: Plan
    arm: Arm
    storage: Storage
    worker: str
    claim: ExitStack
    stop: Callable[[], bool]
    watch: Watch
    status: str = "finished"
    reason: str = ""
    told: dict[str, float] = field(default_factory=dict)  # "trial": its number, and its scores by metric
    images: dict[int, int] = field(default_factory=dict)  # by seed, as far as it came

    def __call__(self, trial: optuna.Trial) -> float | tuple[float, ...]:
        """The objectives of a trial. Raises TrialPruned, Stopped or Failed."""
        values = {dimension.path: dimension.suggest(trial) for dimension in self.arm.dimensions}
        # The author's own numbers as they are: a key that sets several paths would change those after the first.
        settings = {} if trial.user_attrs.get(DEFAULT) else self.arm.settings(values)
        trial.set_user_attr(SETTINGS, merged(settings))
        self.told["trial"] = trial.number
        self.storage.begin(trial, self.worker)
        self.claim.close()
        try:
            return self._judged(trial, self._configs(trial, settings))
        except (Stopped, UserError):  # a stop, or a store that went away: the parameters have nothing to do with it
            trial.set_user_attr(STOPPED, True)
            raise

    def _configs(self, trial: optuna.Trial, settings: Mapping[str, Any]) -> list[RunConfig]:
        """A configuration for each seed; a point of the space that cannot be is a failed trial."""
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
            if result.status in ("interrupted", "busy"):  # busy: the user stopped it while it waited for another process
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
        self.told |= {objective.key: mean for objective, mean in zip(self.plan.objectives, means, strict=True)}
        return means if len(means) > 1 else means[0]

    def _report(self, trial: optuna.Trial, value: float, index: int) -> bool:
        """Tell the value of a seed to a pruner that compares seeds; whether it has seen enough."""
        if self.plan.pruner != "wilcoxon":
            return False
        trial.report(value, step=index)
        return index + 1 < len(self.plan.search_seeds) and trial.should_prune()

    def _unscored(self, result: RunResult) -> str:
        """Why a run has no score; empty where it has one."""
        if result.status != "finished":
            return result.reason or result.status
        for objective in self.plan.objectives:
            if not math.isfinite(result.values.get(objective.key, math.nan)):
                return f"{objective.key} is not a number: {result.reasons.get(objective.key, 'no reason was given')}"
        return ""

    def _tell_cost(self, trial: optuna.Trial, spent: list[RunResult]) -> None:
        trial.set_user_attr(RUNS, [result.run_id for result in spent])
        trial.set_user_attr(IMAGES, sum(self.images.values()))
        trial.set_user_attr(SECONDS, sum(result.values.get("perf/train_seconds", 0.0) for result in spent))

    def _run(self, trial: optuna.Trial, config: RunConfig, index: int) -> RunResult:
        """Train one seed, or take what was found where it is finished already."""
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
        """Who judges a run under way: the pruner, of the first seed, where it goes by marks."""
        return _Judge(trial, config) if self.plan.judged_at_marks and not index else never_prune

    def _known(self, fingerprint: str, config: RunConfig) -> Any | None:
        """The run of that fingerprint in this study that has ended and was measured as this trial is."""
        evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
        protocol = evaluator.protocol_hash if evaluator else ""
        found = Lookup.of(self.plan.uri, self.plan.study).find(fingerprint)
        return next((there for there in found if _has_ended(there.data.tags, protocol)), None)


class _Judge:
    """Tells Optuna what a run measures at its marks, and asks whether it is worth going on with.

    The step is where the mark was meant to be: rounds of k and batch_size reach it at images of their own, and only equal steps are compared.
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
    """The mark of `parts` that was reached at a share of the budget: in images where the budget is in images, else its index."""
    index = round(share * parts)
    return index if images is None else round(images * index / parts)


def _has_ended(tags: Mapping[str, str], protocol: str) -> bool:
    """Whether a run has a score by this protocol, or none by any."""
    return tags.get("status") == "diverged" or (tags.get("status") == "finished" and tags.get("protocol") == protocol)


def _images_of(values: Mapping[str, float]) -> int:
    return round(values.get("perf/images_per_second", 0.0) * values.get("perf/train_seconds", 0.0))


def _result_of(there: Any, config: RunConfig) -> RunResult:
    """How a run that is in the store ended."""
    tags = there.data.tags
    return RunResult(
        run_id=str(there.info.run_id), variant=config.variant, dataset=config.dataset, seed=config.seed, status=tags["status"],
        reason=one_line(tags.get("reason", ""), most=500), values=dict(there.data.metrics),
    )  # fmt: skip
