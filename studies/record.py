"""Record a study in MLflow: one parent run with the scores of trials as metrics and the artifact `study.json`.

A resumed study uses the same parent. Reports read only `study.json`. `bench.tracking.study_record` defines its fields.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from bench.core.errors import UserError
from bench.runs.origin import origin
from bench.scheduling.scheduler import commit_tag
from bench.tracking import store
from bench.tracking.client import Tracker
from bench.tracking.delivery import store_errors
from bench.tracking.results import STUDY
from bench.tracking.study_record import (
    FORMAT,
    BestRecord,
    DimensionRecord,
    ImportanceRecord,
    ObjectiveRecord,
    SpaceRecord,
    StudyRecord,
    TrialRecord,
    VariantRecord,
)
from studies.importance import Importance, importance
from studies.optuna_studies import DEFAULT
from studies.spaces import Dimension
from studies.storage import AGAIN, REASON
from studies.study import Arm, Plan
from studies.trial import DIVERGED, DONE, IMAGES, RUNS, SECONDS, SETTINGS, UNSCORED

log = logging.getLogger(__name__)
EVERY_SECONDS = 10.0
UNKNOWN = Importance(note="the study is still running")
STATES: dict[TrialState, Literal["complete", "pruned", "failed", "running", "waiting"]] = {
    TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed", TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}  # fmt: skip


def open_parent(plan: Plan, tracker: Tracker) -> str:
    """Reopen or create the parent run of a study. Returns its id, or "" if the store does not answer."""
    try:
        with store_errors(plan.uri), store.short_timeout():
            found = tracker.newest_parent(plan.study)
            if found:
                tracker.reopen(found)
                return found
    except UserError as error:
        log.warning("%s: recording this study without a parent run", error)
        return ""
    tags = {"study": plan.study, "suite": plan.study, "idea": plan.idea, "commit": commit_tag(), **origin()}
    return tracker.start_parent(f"study {plan.study}", tags)


class StudyRecorder:
    """Recorder that updates the parent run during a study."""

    def __init__(self, plan: Plan, tracker: Tracker, parent: str, studies: Sequence[optuna.Study]) -> None:
        self._plan, self._tracker, self._parent, self._studies = plan, tracker, parent, studies
        self._written = -math.inf
        self._importances: dict[str, tuple[int, Importance]] = {}  # by variant: (number of complete trials, importance)
        self._others: dict[str, Any] = {}  # recorded variants outside this plan
        self._logged: set[tuple[str, int]] = set()  # (variant, number) of trials with recorded scores
        self._is_read = not parent
        self._read()

    def _read(self) -> None:
        """Read the recorded state of the parent once. Until this succeeds, `update` must not overwrite the parent."""
        if self._is_read:
            return
        requested = [arm.variant for arm in self._plan.arms]
        try:
            with store_errors(self._plan.uri), store.short_timeout():
                variants = (self._tracker.read_json(self._parent, STUDY) or {}).get("variants")
                self._logged = {(name, step) for name in requested for step in self._tracker.steps(self._parent, f"search/{name}")}
        except UserError as error:
            log.warning("%s: cannot read the recorded state of this study", error)
            return
        if isinstance(variants, dict):
            self._others = {name: found for name, found in variants.items() if name not in requested}
        self._is_read = True

    def update(self, *, final: bool = False) -> str:
        """Write `study.json` and return its text, or "" within `EVERY_SECONDS` of the last write.

        `final`: always write, with importances.
        """
        if not final and time.monotonic() - self._written < EVERY_SECONDS:
            return ""
        self._read()
        found = as_json(self._plan, self._studies, self._importance() if final else {}, self._others)
        try:
            with store_errors(self._plan.uri), store.short_timeout():
                if self._parent and self._is_read:
                    self._tracker.artifact(self._parent, STUDY, found.encode())
                    self._values()
        except UserError as error:
            log.warning("%s: %s is not up to date", error, STUDY)
        self._written = time.monotonic()
        return found

    def _importance(self) -> dict[str, Importance]:
        """Return the importance of every variant. Computes it again after more trials."""
        for arm, study in zip(self._plan.arms, self._studies, strict=True):
            trials = study.get_trials(deepcopy=False, states=DONE)
            if self._importances.get(arm.variant, (-1,))[0] != len(trials):
                self._importances[arm.variant] = len(trials), importance(self._plan, arm, trials)
        return {variant: found for variant, (_, found) in self._importances.items()}

    def _values(self) -> None:
        """Log the first objective of each trial and the best so far as metrics, with the trial's number as step."""
        for arm, study in zip(self._plan.arms, self._studies, strict=True):
            best = math.nan
            objective = self._plan.objectives[0]
            points, fresh = [], set()
            for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                if UNSCORED in trial.user_attrs:
                    continue
                value = trial.values[0]
                better = math.isnan(best) or (value < best) == (objective.direction == "lower")
                best = value if better else best
                if (arm.variant, trial.number) not in self._logged:
                    points += [(f"search/{arm.variant}", value, trial.number), (f"search/{arm.variant}/best", best, trial.number)]
                    fresh.add((arm.variant, trial.number))
            self._tracker.metrics(self._parent, points)
            self._logged |= fresh  # after the store has these points


def as_json(
    plan: Plan, studies: Sequence[optuna.Study], importances: Mapping[str, Importance], others: Mapping[str, Any] | None = None
) -> str:
    """Return the study as JSON text.

    `importances`: by variant, those computed so far. `others`: recorded variants outside this plan.
    """
    record = StudyRecord(
        format=FORMAT, study=plan.study, idea=plan.idea, dataset=plan.arms[0].base.dataset, budget=str(plan.arms[0].base.budget),
        space=SpaceRecord(name=plan.space.name, idea=plan.space.idea, dimensions=[_dimension(dimension) for dimension in plan.space.dimensions]),
        objectives=[ObjectiveRecord.model_validate(objective.model_dump(mode="json")) for objective in plan.objectives],
        sampler=plan.sampler, sampler_seed=plan.sampler_seed, pruner=plan.pruner, trials_wanted=plan.trials, search_seeds=list(plan.search_seeds),
        final_seeds=list(plan.final_seeds),
        variants={arm.variant: _variant(plan, arm, study, importances.get(arm.variant, UNKNOWN)) for arm, study in zip(plan.arms, studies, strict=True)},
    )  # fmt: skip
    found = record.model_dump(mode="json")
    found["variants"] = {**(others or {}), **found["variants"]}
    return json.dumps(found, indent=1, sort_keys=True, allow_nan=False)


def _dimension(dimension: Dimension) -> DimensionRecord:
    values = dimension.model_dump(mode="json")
    return DimensionRecord.model_validate({**values, "choices": values["choices"] or None})


def _variant(plan: Plan, arm: Arm, study: optuna.Study, found: Importance) -> VariantRecord:
    trials = study.get_trials(deepcopy=False)
    chosen = best(plan, trials)
    return VariantRecord(
        trials=[_trial(arm, trial) for trial in trials],
        best=_best(arm, chosen) if chosen else None,
        pareto=[trial.number for trial in front(plan, trials)] if len(plan.objectives) > 1 else [],
        importance=None if found.values is None else {path: ImportanceRecord.model_validate(share) for path, share in found.values.items()},
        importance_note=found.note,
    )


def _trial(arm: Arm, trial: FrozenTrial) -> TrialRecord:
    attributes = trial.user_attrs
    return TrialRecord(
        number=trial.number, state=STATES[trial.state], values=list(trial.values) if trial.state == TrialState.COMPLETE else None,
        default=bool(attributes.get(DEFAULT)), diverged=bool(attributes.get(DIVERGED)),
        reason=str(attributes.get(UNSCORED) or attributes.get(REASON) or ""), params=params(arm, trial),
        settings=attributes.get(SETTINGS, {}), images=attributes.get(IMAGES, 0), train_seconds=attributes.get(SECONDS, 0.0),
        intermediate=[[step, value] for step, value in sorted(trial.intermediate_values.items())],
        run_ids=attributes.get(RUNS, []), again=attributes.get(AGAIN),
        started=_moment(trial.datetime_start), ended=_moment(trial.datetime_complete),
    )  # fmt: skip


def params(arm: Arm, trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters of a trial by path, with the values of its training."""
    return {dimension.path: dimension.value(trial.params[dimension.path]) for dimension in arm.dimensions if dimension.path in trial.params}


def _best(arm: Arm, trial: FrozenTrial) -> BestRecord:
    settings = settings_of_trial(arm, trial)
    return BestRecord(
        number=trial.number,
        values=list(trial.values),
        settings=settings,
        params=params(arm, trial),
        default=bool(trial.user_attrs.get(DEFAULT)),
        set=arm.options(settings),
    )


def settings_of_trial(arm: Arm, trial: FrozenTrial) -> dict[str, Any]:
    """Return the settings of a trial that differ from the variant's configuration. The default has none."""
    return {} if trial.user_attrs.get(DEFAULT) else arm.settings(params(arm, trial))


def scored(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the complete trials that have a score, without diverged ones."""
    return [trial for trial in trials if trial.state == TrialState.COMPLETE and UNSCORED not in trial.user_attrs]


def best(plan: Plan, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the trial with the best first objective, the earliest in a tie, or None if no trial has a score."""
    sign = 1 if plan.objectives[0].direction == "lower" else -1
    return min(scored(trials), key=lambda trial: (sign * trial.values[0], trial.number), default=None)


def front(plan: Plan, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the Pareto front: the trials that no other trial dominates."""
    signs = [1 if objective.direction == "lower" else -1 for objective in plan.objectives]
    points = {trial.number: [sign * value for sign, value in zip(signs, trial.values, strict=True)] for trial in scored(trials)}

    def is_dominated(own: list[float]) -> bool:
        return any(all(a <= b for a, b in zip(other, own, strict=True)) and other != own for other in points.values())

    return [trial for trial in scored(trials) if not is_dominated(points[trial.number])]


def _moment(when: Any) -> str:
    return "" if when is None else when.astimezone().isoformat(timespec="seconds")
