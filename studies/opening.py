"""The Optuna studies behind a study: one a variant, made with the author's default first in line, or opened if it is the same."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from bench.core.errors import UserError, one_line
from studies.sampling import pruner
from studies.storage import REASON, Storage
from studies.study import Arm, Plan

IDENTITY = "ganbench"  # the attribute of an Optuna study that says what its trials share
DEFAULT = "default"  # the attribute of a trial that trains the author's own numbers
OWN = ("range", "training")  # parts of an identity in which the variants of one study may differ


def name_of(plan: Plan, arm: Arm) -> str:
    """The Optuna study of a variant."""
    return f"{plan.study}/{arm.variant}"


def check_known(plan: Plan, storage: Storage) -> None:
    """A UserError if what is there of that name is another study, be it of a variant that is not asked for now. Writes nothing."""
    wanted = {name_of(plan, arm): _plain(plan.identity(arm)) for arm in plan.arms}
    for summary in optuna.get_all_study_summaries(storage.optuna, include_best_trial=False):
        name = summary.study_name
        there = summary.user_attrs.get(IDENTITY)
        if name.rpartition("/")[0] != plan.study or (there is None and not summary.n_trials):
            continue
        asked = wanted.get(name) or {**next(iter(wanted.values())), **{key: there.get(key) for key in OWN if isinstance(there, dict)}}
        if there != asked:
            raise UserError(
                f"the study {name!r} is there already with another {difference(there, asked)}: give this one another --name, or another --storage"
            )


def open_study(plan: Plan, arm: Arm, storage: Storage) -> optuna.Study:
    """The Optuna study of a variant. Another one of that name is a UserError."""
    name = name_of(plan, arm)
    directions = [StudyDirection.MINIMIZE if objective.direction == "lower" else StudyDirection.MAXIMIZE for objective in plan.objectives]
    with storage.lock(name):
        check_known(plan, storage)
        study = optuna.create_study(storage=storage.optuna, study_name=name, directions=directions, load_if_exists=True)
        if IDENTITY not in study.user_attrs:
            study.set_user_attr(IDENTITY, plan.identity(arm))
        _line_up(plan, arm, study)
    study.pruner = pruner(plan)
    return study


def _line_up(plan: Plan, arm: Arm, study: optuna.Study) -> None:
    """Put the default in line, and in a grid search as many points as are asked for, as far as they are not there yet."""
    trials = study.get_trials(deepcopy=False)
    if not any(trial.user_attrs.get(DEFAULT) for trial in trials):
        study.enqueue_trial(_coded(arm, arm.defaults), user_attrs={DEFAULT: True})
    if plan.sampler != "grid":
        return
    there = {_key({**trial.system_attrs.get("fixed_params", {}), **trial.params}) for trial in trials if not trial.user_attrs.get(DEFAULT)}
    for point in grid(plan, arm)[: plan.trials - 1]:
        coded = _coded(arm, point)
        if _key(coded) not in there:
            study.enqueue_trial(coded)


def grid(plan: Plan, arm: Arm) -> list[dict[str, Any]]:
    """The points of a grid search, in an order drawn with the sampler's seed."""
    points = list(itertools.product(*(dimension.grid() for dimension in arm.dimensions)))
    random.Random(plan.sampler_seed).shuffle(points)
    return [dict(zip((dimension.path for dimension in arm.dimensions), point, strict=True)) for point in points]


def target(plan: Plan, arm: Arm, trials: Sequence[FrozenTrial] = ()) -> int:
    """How many trials a variant is to have: those asked for; of a grid no more than it has points, the default and those that crashed apart."""
    if plan.sampler != "grid":
        return plan.trials
    crashed = sum(trial.state == TrialState.FAIL and REASON in trial.user_attrs for trial in trials)
    return min(plan.trials, arm.grid_size + 1) - crashed


def difference(there: Any, wanted: dict[str, Any]) -> str:
    """What tells a study that is there from the one that was asked for, in a few words."""
    if not isinstance(there, dict):
        return "origin: it is not of ganbench"
    for key, value in _plain(wanted).items():
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


def _coded(arm: Arm, point: dict[str, Any]) -> dict[str, Any]:
    return {dimension.path: dimension.code(point[dimension.path]) for dimension in arm.dimensions}


def _key(coded: dict[str, Any]) -> str:
    return json.dumps(coded, sort_keys=True)


def _plain(identity: dict[str, Any]) -> dict[str, Any]:
    """As a storage gives it back."""
    return dict(json.loads(json.dumps(identity)))
