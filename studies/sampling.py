"""Create Optuna's samplers and pruners by name."""

from __future__ import annotations

import warnings
import zlib

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from studies.study import Plan

STARTUP_TRIALS = 10  # of TPE, Optuna's default; a third of the trials for fewer than thirty
MEDIAN_STARTUP = 3  # complete trials before the first trial is pruned
WILCOXON_P, WILCOXON_STARTUP = 0.1, 2


def sampler(plan: Plan, variant: str, number: int) -> BaseSampler:
    """Return the sampler for the trial `number` of a variant. Its seed depends only on the variant, the number and the study's seed."""
    seed = zlib.crc32(f"{plan.sampler_seed} {variant} {number}".encode())
    if plan.sampler != "tpe":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, n_startup_trials=min(STARTUP_TRIALS, max(3, plan.trials // 3)))


def pruner(plan: Plan) -> BasePruner:
    """Return the pruner of a study."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if plan.pruner == "median":
            return MedianPruner(n_startup_trials=MEDIAN_STARTUP, n_warmup_steps=0)
        if plan.pruner == "wilcoxon":
            return WilcoxonPruner(p_threshold=WILCOXON_P, n_startup_steps=WILCOXON_STARTUP)
    return NopPruner()
