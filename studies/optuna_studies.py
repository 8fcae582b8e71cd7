"""Create or open the Optuna studies of a study: one for each variant, with the variant's default as first trial."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from bench.core.config import override
from bench.core.errors import UserError, one_line
from bench.metrics.columns import HEADLINES
from studies.sampling import pruner
from studies.storage import REASON, Storage
from studies.study import Arm, Plan, SearchObjective

IDENTITY = "ganbench"  # the attribute of an Optuna study with the settings that all its trials share
DEFAULT = "default"  # the attribute of the trial with the variant's default recipe
OWN = ("range", "training")  # parts of an identity that may differ between the variants of one study


def name_of(plan: Plan, arm: Arm) -> str:
    """Return the name of the Optuna study of a variant."""
    return f"{plan.study}/{arm.variant}"


def check_known(plan: Plan, storage: Storage) -> None:
    """Raise a UserError if the storage has a different study of that name. The function writes nothing.

    It also checks recorded variants of the study outside this plan.
    """
    wanted = {name_of(plan, arm): _plain(plan.identity(arm)) for arm in plan.arms}
    for summary in optuna.get_all_study_summaries(storage.optuna, include_best_trial=False):
        name = summary.study_name
        if name.rpartition("/")[0] != plan.study:
            continue
        # Read after the trials are counted: another process sets it before it enqueues the first trial.
        recorded = storage.optuna.get_study_user_attrs(summary._study_id).get(IDENTITY)
        if recorded is None and not summary.n_trials:
            continue
        expected = wanted.get(name) or {
            **next(iter(wanted.values())),
            **{key: recorded.get(key) for key in OWN if isinstance(recorded, dict)},
        }
        if recorded != expected:
            raise UserError(
                f"the study {name!r} already exists with another {difference(recorded, expected)}: choose another --name or --storage"
            )


def as_begun(plan: Plan, storage: Storage) -> Plan:
    """Return the plan with the objective of the recorded study, if the user names none. The headline may have changed since it began."""
    if not plan.by_headline:
        return plan
    for summary in optuna.get_all_study_summaries(storage.optuna, include_best_trial=False):
        recorded = storage.optuna.get_study_user_attrs(summary._study_id).get(IDENTITY)
        if summary.study_name.rpartition("/")[0] != plan.study or not isinstance(recorded, dict):
            continue
        begun = tuple(SearchObjective.model_validate(objective) for objective in recorded.get("objective", ()))
        known = [objective.key for objective in begun] in ([key] for key in HEADLINES)
        return plan if begun == plan.objectives or not known else _ranked_by(plan, begun)
    return plan


def _ranked_by(plan: Plan, objectives: tuple[SearchObjective, ...]) -> Plan:
    """Return the plan whose trials and final runs have another headline, the only objective."""
    (objective,) = objectives
    headline = {"evaluation.headline": objective.key}
    arms = tuple(
        arm.model_copy(update={"config": override(arm.base, {**headline, "evaluation.metrics": (objective.key,)}).canonical()})
        for arm in plan.arms
    )
    return plan.model_copy(update={"objectives": objectives, "arms": arms, "final_evaluation": {**plan.final_evaluation, **headline}})


def open_study(plan: Plan, arm: Arm, storage: Storage) -> optuna.Study:
    """Create or open the Optuna study of a variant. Raises UserError if a different study has that name."""
    name = name_of(plan, arm)
    directions = [StudyDirection.MINIMIZE if objective.direction == "lower" else StudyDirection.MAXIMIZE for objective in plan.objectives]
    with storage.lock(name):
        check_known(plan, storage)
        study = optuna.create_study(storage=storage.optuna, study_name=name, directions=directions, load_if_exists=True)
        if IDENTITY not in study.user_attrs:
            study.set_user_attr(IDENTITY, plan.identity(arm))
        _enqueue(plan, arm, study)
    study.pruner = pruner(plan)
    return study


def _enqueue(plan: Plan, arm: Arm, study: optuna.Study) -> None:
    """Enqueue the default and, in a grid search, the requested number of points. Enqueues no point twice."""
    trials = study.get_trials(deepcopy=False)
    if not any(trial.user_attrs.get(DEFAULT) for trial in trials):
        study.enqueue_trial(_coded(arm, arm.defaults), user_attrs={DEFAULT: True})
    if plan.sampler != "grid":
        return
    recorded = {
        _key({**trial.system_attrs.get("fixed_params", {}), **trial.params}) for trial in trials if not trial.user_attrs.get(DEFAULT)
    }
    for point in grid(plan, arm)[: plan.trials - 1]:
        coded = _coded(arm, point)
        if _key(coded) not in recorded:
            study.enqueue_trial(coded)


def grid(plan: Plan, arm: Arm) -> list[dict[str, Any]]:
    """Return the points of a grid search, shuffled with the sampler's seed."""
    points = list(itertools.product(*(dimension.grid() for dimension in arm.dimensions)))
    random.Random(plan.sampler_seed).shuffle(points)
    return [dict(zip((dimension.path for dimension in arm.dimensions), point, strict=True)) for point in points]


def target(plan: Plan, arm: Arm, trials: Sequence[FrozenTrial] = ()) -> int:
    """Return the number of trials for a variant. In a grid search, the points and the default are the limit.

    Failed trials of a grid search are done, too.
    """
    if plan.sampler != "grid":
        return plan.trials
    crashed = sum(trial.state == TrialState.FAIL and REASON in trial.user_attrs for trial in trials)
    return min(plan.trials, arm.grid_size + 1) - crashed


def difference(recorded: Any, wanted: dict[str, Any]) -> str:
    """Return text on the first difference between the recorded study and the requested one."""
    if not isinstance(recorded, dict):
        return "origin: ganbench did not create it"
    for key, value in _plain(wanted).items():
        other = recorded.get(key)
        if other == value:
            continue
        if key != "training":
            return f"{key} ({one_line(_words(other, value), most=90)}, not {one_line(_words(value, other), most=90)})"
        old, new = (dict(line.split("=", 1) for line in str(text).splitlines() if "=" in line) for text in (other, value))
        path = next(path for path in sorted({*old, *new}) if old.get(path) != new.get(path))
        return f"{path} ({one_line(old.get(path, 'none'), most=60)}, not {one_line(new.get(path, 'none'), most=60)})"
    return "origin"


def _words(value: Any, other: Any) -> str:
    """Return a part of an identity as text. Of a list, include only the items that the other list lacks."""
    if not isinstance(value, list) or not isinstance(other, list):
        return str(value)
    parts = [part for part in value if part not in other]
    return ", ".join(_part(part) if isinstance(part, dict) else str(part) for part in parts) or "none of these"


def _part(part: dict[str, Any]) -> str:
    """Return an objective or a dimension as text."""
    if "path" not in part:
        return str(part.get("key"))
    reach = part["choices"] or f"{part['low']:g} to {part['high']:g}"
    return f"{' = '.join([part['path'], *part['also']])} {reach}"


def _coded(arm: Arm, point: dict[str, Any]) -> dict[str, Any]:
    return {dimension.path: dimension.code(point[dimension.path]) for dimension in arm.dimensions}


def _key(coded: dict[str, Any]) -> str:
    return json.dumps(coded, sort_keys=True)


def _plain(identity: dict[str, Any]) -> dict[str, Any]:
    """Return the identity with the types that JSON has."""
    return dict(json.loads(json.dumps(identity)))
