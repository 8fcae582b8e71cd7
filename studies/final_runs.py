"""The second phase of a study: train the best recipe and the default on new seeds, with the full evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from bench.core.config import merged, override
from bench.scheduling.cluster import Cluster
from bench.scheduling.scheduler import Display, ExecutionResult, plan_execution, run_suite
from bench.scheduling.suite import TUNED as TUNED_TRACK
from bench.scheduling.suite import Entry, PlannedRun, Suite
from bench.tracking.client import Tracker
from bench.tracking.delivery import store_errors
from studies.optuna_studies import DEFAULT
from studies.record import best, settings_of_trial
from studies.study import Arm, Plan

TUNED, PLAIN, BOTH, SUPERSEDED = "tuned", "default", "both", "superseded"  # values of the tag `recipe`; "both": the default is the best


def final_runs(plan: Plan, studies: Sequence[optuna.Study]) -> list[PlannedRun]:
    """Return the final runs seed by seed: the best recipe of each variant and its default.

    A variant without any score has only the default.
    """
    recipes = [
        (arm, settings, tags) for arm, study in zip(plan.arms, studies, strict=True) for settings, tags in _recipes(plan, arm, study)
    ]
    return [_planned(plan, arm, settings, tags, seed) for seed in plan.final_seeds for arm, settings, tags in recipes]


def _recipes(plan: Plan, arm: Arm, study: optuna.Study) -> list[tuple[dict[str, object], dict[str, str]]]:
    """Return (settings, tags) of each recipe of a variant."""
    chosen = best(plan, study.get_trials(deepcopy=False))
    if chosen is None:
        return [({}, {"recipe": PLAIN, "trial": ""})]
    if chosen.user_attrs.get(DEFAULT):
        return [({}, {"recipe": BOTH, "trial": str(chosen.number)})]
    tuned = {"recipe": TUNED, "trial": str(chosen.number)}
    return [(settings_of_trial(arm, chosen), tuned), ({}, {"recipe": PLAIN, "trial": ""})]


def _planned(plan: Plan, arm: Arm, settings: dict[str, object], tags: dict[str, str], seed: int) -> PlannedRun:
    return PlannedRun(
        config=override(arm.base, {**settings, **plan.final_evaluation, "seed": seed}),
        note=arm.note,
        overrides=merged(arm.overrides, settings),
        tags={"study": plan.study, "phase": "final", **tags},
        name=f"{arm.variant}-{tags['recipe']}-s{seed}",
    )


def execute_final_runs(
    plan: Plan, studies: Sequence[optuna.Study], *, workers: int | None, cluster: Cluster, stop: Callable[[], bool], display: Display,
    parent: str,
) -> ExecutionResult:  # fmt: skip
    """Execute the missing final runs and update the tags of the recorded ones."""
    planned = final_runs(plan, studies)
    suite = Suite(
        name=plan.study,
        idea=plan.idea,
        entries=tuple(Entry(variant=arm.variant) for arm in plan.arms),
        seeds=plan.final_seeds,
        track=TUNED_TRACK,
    )
    folder = Path(plan.folder)
    execution_plan = plan_execution(
        suite, planned, uri=plan.uri, folder=folder, workers=workers, cluster=cluster, probe=False, deliver=True
    )
    outcome = run_suite(suite, execution_plan, uri=plan.uri, folder=folder, stop=stop, display=display, parent=parent)
    _tag_again(plan, planned)
    return outcome


def _tag_again(plan: Plan, planned: Sequence[PlannedRun]) -> None:
    """Update the tags of recorded final runs, because more trials may change the best recipe."""
    tracker = Tracker(plan.uri, plan.study)
    wanted = {_recipe(run.config.variant, run.overrides): dict(run.tags) for run in planned}
    variants = {arm.variant for arm in plan.arms}
    with store_errors(plan.uri):
        for run in tracker.find_phase("final"):
            tags = run.data.tags
            if tags.get("variant") not in variants:
                continue
            now = wanted.get(_recipe(tags["variant"], json.loads(tags.get("overrides", "{}"))), {"recipe": SUPERSEDED})
            tracker.tag(run.info.run_id, {key: value for key, value in now.items() if tags.get(key) != value})


def _recipe(variant: str, overrides: Mapping[str, Any]) -> str:
    """Return a key of a recipe that does not depend on the seed and the evaluation."""
    return json.dumps([variant, {path: value for path, value in overrides.items() if not path.startswith("evaluation.")}], sort_keys=True)
