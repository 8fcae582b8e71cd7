"""The second phase of a study: the best recipe and the default, trained on seeds that chose nothing and measured in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import optuna

from bench.campaign import Display, Outcome, foresee, run_suite
from bench.config import merged, override
from bench.delivery import answering
from bench.suite import TUNED as TUNED_TRACK
from bench.suite import Entry, PlannedRun, Suite
from bench.tracking import Tracker
from studies.record import best, settings_of_trial
from studies.sampling import DEFAULT
from studies.study import Arm, Plan

TUNED, PLAIN, BOTH = "tuned", "default", "both"  # the tag `recipe`: both is a default that nothing beat


def final_runs(plan: Plan, studies: Sequence[optuna.Study]) -> list[PlannedRun]:
    """Seed by seed, the best of each variant and its default; of a variant without any score the default alone."""
    recipes = [
        (arm, settings, tags) for arm, study in zip(plan.arms, studies, strict=True) for settings, tags in _recipes(plan, arm, study)
    ]
    return [_planned(plan, arm, settings, tags, seed) for seed in plan.final_seeds for arm, settings, tags in recipes]


def _recipes(plan: Plan, arm: Arm, study: optuna.Study) -> list[tuple[dict[str, object], dict[str, str]]]:
    """(settings, tags) of the recipes of a variant."""
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


def do_final(
    plan: Plan, studies: Sequence[optuna.Study], *, workers: int | None, stop: Callable[[], bool], display: Display, parent: str
) -> Outcome:
    """Do what is missing of the final runs, and say of those that are there what they are now."""
    planned = final_runs(plan, studies)
    suite = Suite(
        name=plan.study,
        idea=plan.idea,
        entries=tuple(Entry(variant=arm.variant) for arm in plan.arms),
        seeds=plan.final_seeds,
        track=TUNED_TRACK,
    )
    folder = Path(plan.folder)
    outlook = foresee(suite, planned, uri=plan.uri, folder=folder, workers=workers, probe=False, deliver=True)
    outcome = run_suite(suite, outlook, uri=plan.uri, folder=folder, stop=stop, display=display, parent=parent)
    _tag_again(plan, planned, [decision.fingerprint for decision in outlook.decisions])
    return outcome


def _tag_again(plan: Plan, planned: Sequence[PlannedRun], fingerprints: Sequence[str]) -> None:
    """More trials may have changed which recipe is the best: tag the runs that are there with what they are now."""
    tracker = Tracker(plan.uri, plan.study)
    wanted = {fingerprint: dict(run.tags) for fingerprint, run in zip(fingerprints, planned, strict=True)}
    with answering(plan.uri):
        for run in tracker.find_phase("final"):
            now = wanted.get(run.data.tags.get("fingerprint", ""), {"recipe": "superseded"})
            changed = {key: value for key, value in now.items() if run.data.tags.get(key) != value}
            tracker.tag(run.info.run_id, changed)
