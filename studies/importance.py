"""Hyperparameter importance: the share of the score's variance that each dimension explains (fANOVA; Hutter et al. 2014)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.study import Arm, Plan
from studies.trial import DONE, UNSCORED

FEWEST = 10  # trials: with fewer, a tree cannot split
PARTS = 20  # half-samples for the standard deviation
TREES, DEPTH = 32, 32


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Record of the importance of each path, as {"mean", "sd"} over half-samples. Without enough trials, it is None with a note."""

    values: dict[str, dict[str, float]] | None = None
    note: str = ""


def importance(plan: Plan, arm: Arm, trials: Sequence[FrozenTrial]) -> Importance:
    """Compute the importance for the first objective, on a log scale if all scores are positive.

    A pruned trial has its last reported score. A trial without a score has the worst score of all trials.
    """
    ended = [trial for trial in trials if trial.state in DONE and len(trial.params) == len(arm.dimensions)]
    if len(ended) < FEWEST or len(arm.dimensions) < 2:
        few = (
            f"{len(ended)} trials are too few: at least {FEWEST} are needed"
            if len(arm.dimensions) > 1
            else "the search has only one dimension"
        )
        return Importance(note=few)
    scores = _scores(plan, ended)
    if scores is None:
        return Importance(note="no trial has a score" if all(math.isnan(_score(trial)) for trial in ended) else "all scores are equal")
    copies = [
        create_trial(params=trial.params, distributions=trial.distributions, value=float(score))
        for trial, score in zip(ended, scores, strict=True)
    ]
    random = np.random.default_rng(0)
    found: dict[str, list[float]] = {dimension.path: [] for dimension in arm.dimensions}
    for part in range(PARTS):
        half = sorted(random.choice(len(copies), size=math.ceil(len(copies) / 2), replace=False))
        for path, share in _shares([copies[i] for i in half], part).items():
            found[path].append(share)
    values = {
        path: {"mean": float(np.mean(shares)), "sd": float(np.std(shares, ddof=1))} for path, shares in found.items() if len(shares) > 1
    }
    return Importance(values=values or None, note=f"fANOVA, mean and sd over {PARTS} half-samples of {len(ended)} trials")


def _score(trial: FrozenTrial) -> float:
    """Return the first objective of a trial, or the last reported score of a pruned trial. Without a score, return NaN."""
    if trial.state == TrialState.PRUNED:
        return trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else math.nan
    return trial.values[0] if UNSCORED not in trial.user_attrs else math.nan


def _scores(plan: Plan, trials: Sequence[FrozenTrial]) -> Any | None:
    known = np.array([_score(trial) for trial in trials])
    if np.isnan(known).all():
        return None
    worst = np.nanmax(known) if plan.objectives[0].direction == "lower" else np.nanmin(known)
    filled = np.where(np.isnan(known), worst, known)
    scores = np.log(filled) if (filled > 0).all() else filled
    return scores if np.ptp(scores) > 0 else None


def _shares(trials: Sequence[FrozenTrial], seed: int) -> dict[str, float]:
    """Return the share of each path, or no shares if all trials have the same score."""
    if len({trial.value for trial in trials}) < 2:
        return {}
    study = optuna.create_study()
    study.add_trials(trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=seed))
