"""Optuna's samplers and pruners by our names, and what opens a study."""

from __future__ import annotations

import itertools
import json
import random
import warnings
import zlib
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection

from bench.errors import UserError, one_line
from studies.storage import Storage
from studies.study import Arm, Plan

STARTUP_TRIALS = 10  # of TPE, as Optuna has it; a third of the trials where they are fewer than thirty
MEDIAN_STARTUP = 3  # trials that end before any is pruned
WILCOXON_P, WILCOXON_STARTUP = 0.1, 2
IDENTITY = "ganbench"  # the attribute of an Optuna study that says what its trials share
DEFAULT = "default"  # the attribute of a trial that trains the author's own numbers


def name_of(plan: Plan, arm: Arm) -> str:
    """The Optuna study of a variant."""
    return f"{plan.study}/{arm.variant}"


def open_study(plan: Plan, arm: Arm, storage: Storage) -> optuna.Study:
    """The Optuna study of a variant: made, with the author's default first in line, or opened. Another one of that name is a UserError."""
    name = name_of(plan, arm)
    directions = [StudyDirection.MINIMIZE if objective.direction == "lower" else StudyDirection.MAXIMIZE for objective in plan.objectives]
    wanted = plan.identity(arm)
    with storage.claim(name):
        try:
            study = optuna.create_study(storage=storage.optuna, study_name=name, directions=directions)
        except DuplicatedStudyError:
            study = optuna.load_study(storage=storage.optuna, study_name=name)
        there = study.user_attrs.get(IDENTITY)
        if there is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(IDENTITY, wanted)
            _enqueue(plan, arm, study)
            there = wanted
        if there != json.loads(json.dumps(wanted)):
            raise UserError(
                f"the study {name!r} is there already with another {difference(there, wanted)}: give this one another --name, or another --storage"
            )
    study.pruner = pruner(plan)
    return study


def difference(there: Any, wanted: dict[str, Any]) -> str:
    """What tells a study that is there from the one that was asked for, in a few words."""
    if not isinstance(there, dict):
        return "origin: it is not of ganbench"
    for key, value in json.loads(json.dumps(wanted)).items():
        other = there.get(key)
        if other == value:
            continue
        if key != "training":
            return f"{key} ({one_line(_words(other, value), most=90)}, not {one_line(_words(value, other), most=90)})"
        old, new = (dict(line.split("=", 1) for line in str(text).splitlines() if "=" in line) for text in (other, value))
        path = next(path for path in sorted({*old, *new}) if old.get(path) != new.get(path))
        return f"{path} ({one_line(old.get(path, 'none'), most=60)}, not {one_line(new.get(path, 'none'), most=60)})"
    return "origin"


def _words(value: Any, other: Any) -> str:
    """A part of an identity as a person reads it; of a list, what the other does not have."""
    if not isinstance(value, list) or not isinstance(other, list):
        return str(value)
    parts = [part for part in value if part not in other]
    return ", ".join(_part(part) if isinstance(part, dict) else str(part) for part in parts) or "none of these"


def _part(part: dict[str, Any]) -> str:
    """An objective, or a dimension."""
    if "path" not in part:
        return str(part.get("key"))
    reach = part["choices"] or f"{part['low']:g} to {part['high']:g}"
    return f"{' = '.join([part['path'], *part['also']])} {reach}"


def _enqueue(plan: Plan, arm: Arm, study: optuna.Study) -> None:
    """Put the default in line, and in a grid search every point, in an order drawn with the sampler's seed."""
    codes = {dimension.path: dimension for dimension in arm.dimensions}
    study.enqueue_trial({path: codes[path].code(value) for path, value in arm.defaults.items()}, user_attrs={DEFAULT: True})
    if plan.sampler != "grid":
        return
    points = list(itertools.product(*(dimension.grid() for dimension in arm.dimensions)))
    random.Random(plan.sampler_seed).shuffle(points)
    for point in points[: plan.trials - 1]:
        study.enqueue_trial({dimension.path: dimension.code(value) for dimension, value in zip(arm.dimensions, point, strict=True)})


def grid_size(arm: Arm) -> int:
    """The points of a grid search."""
    size = 1
    for dimension in arm.dimensions:
        size *= len(dimension.grid())
    return size


def target(plan: Plan, arm: Arm) -> int:
    """How many trials a variant is to have: those asked for, or all of a grid and the default."""
    return min(plan.trials, grid_size(arm) + 1) if plan.sampler == "grid" else plan.trials


def sampler(plan: Plan, variant: str, number: int) -> BaseSampler:
    """The sampler of one trial. Its seed comes of the study's, the variant and the trial's number, so it needs no memory of its own."""
    seed = zlib.crc32(f"{plan.sampler_seed} {variant} {number}".encode())
    if plan.sampler != "tpe":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, n_startup_trials=min(STARTUP_TRIALS, max(3, plan.trials // 3)))


def pruner(plan: Plan) -> BasePruner:
    """The pruner of a study."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if plan.pruner == "median":
            return MedianPruner(n_startup_trials=MEDIAN_STARTUP, n_warmup_steps=0)
        if plan.pruner == "wilcoxon":
            return WilcoxonPruner(p_threshold=WILCOXON_P, n_startup_steps=WILCOXON_STARTUP)
    return NopPruner()
