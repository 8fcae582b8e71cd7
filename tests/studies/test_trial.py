"""Trials: their training, score and status. Formulas replace the runs, except in test_sweep.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from small_study import ONE, Fake, planned

from bench.core.config import RunConfig
from bench.runs.types import RunResult, ignore
from bench.scheduling.suite import Entry
from bench.training.loop import never
from studies.kinds import open_storage
from studies.optuna_studies import DEFAULT, open_study
from studies.storage import AGAIN, REASON
from studies.study import WORST, Plan, Study
from studies.trial import DIVERGED, IMAGES, RUNS, SECONDS, SETTINGS, UNSCORED, TrialJob, step_of

FID = "quality/fid_distilled"


def lr(config: RunConfig) -> float:
    return 1e4 * float(config.recipe.lr_g)


@pytest.fixture
def make_plan(uri: str, tmp_path: Path) -> Callable[..., Plan]:
    return lambda **change: planned(uri, tmp_path, replace(ONE, **change))


def do(plan: Plan, *, stop: Callable[[], bool] = never, times: int = 1) -> list[RunResult]:
    job = TrialJob(name="a trial", key="trial", folder=plan.folder, plan=plan, arm=0, driver="test")
    return [job.do(stop, ignore) for _ in range(times)]


def trials(plan: Plan) -> list[FrozenTrial]:
    return open_study(plan, plan.arms[0], open_storage(plan.storage)).get_trials()


def test_the_first_trial_is_the_default_recipe(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan()
    fake = Fake(monkeypatch, lr)
    (result,) = do(plan)
    (trial,) = trials(plan)
    assert fake.configs == [plan.arms[0].base]
    assert trial.params == {"recipe.lr_g": 1e-4, "recipe.lr_d": 1e-4, "recipe.k": 1}
    assert (trial.state, trial.value, trial.user_attrs[DEFAULT]) == (TrialState.COMPLETE, 1.0, True)
    assert (result.status, result.values) == ("finished", {"trial": 0, FID: 1.0})


def test_a_default_with_two_rates_stays_itself_in_a_space_that_ties_them(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(space="lr-k-tied", entries=(Entry(variant="label-smoothed", settings={"recipe.lr_d": 3e-4}),))
    fake = Fake(monkeypatch, lr)
    do(plan, times=2)
    assert [(config.recipe.lr_g == config.recipe.lr_d) for config in fake.configs] == [False, True]  # type: ignore[attr-defined]


def test_a_trial_trains_its_parameters(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan()
    fake = Fake(monkeypatch, lr)
    do(plan, times=3)
    for trial, config in zip(trials(plan), fake.configs, strict=True):
        recipe: Any = config.recipe
        settings = plan.arms[0].settings({"recipe.lr_g": recipe.lr_g, "recipe.lr_d": recipe.lr_d, "recipe.k": recipe.k})
        assert trial.user_attrs[SETTINGS] == ({} if trial.user_attrs.get(DEFAULT) else settings)
        assert trial.params["recipe.lr_g"] == pytest.approx(recipe.lr_g, rel=1e-3)
        assert trial.value == pytest.approx(1e4 * recipe.lr_g)


def test_there_are_never_more_trials_than_requested(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    plan = make_plan(trials=2)
    assert [result.status for result in do(plan, times=4)] == ["finished", "finished", "nothing", "nothing"]
    assert len(trials(plan)) == 2


def test_the_score_is_the_mean_over_seeds(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, lambda config: float(config.seed % 1_000_000))
    plan = make_plan(search_seeds=3)
    do(plan)
    (trial,) = trials(plan)
    assert [config.seed for config in fake.configs] == [1_000_000, 1_000_001, 1_000_002]
    assert trial.value == 1.0
    assert (trial.user_attrs[RUNS], trial.user_attrs[IMAGES], trial.user_attrs[SECONDS]) == (["run-1", "run-2", "run-3"], 3 * 640, 3.0)


@pytest.mark.parametrize(("ending", "diverged"), [("diverged", True), ("nan", False)])
def test_a_run_without_a_score_counts_as_the_worst_and_stays(
    ending: str, diverged: bool, make_plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fake(monkeypatch, lambda _: float("nan") if ending == "nan" else ending)
    plan = make_plan(search_seeds=2)
    (result,) = do(plan)
    (trial,) = trials(plan)
    assert (trial.state, trial.value, trial.user_attrs[DIVERGED]) == (TrialState.COMPLETE, WORST, diverged)
    assert trial.user_attrs[UNSCORED] == result.reason
    assert result.reason.startswith("it diverged" if diverged else f"{FID} is not finite")
    assert len(trial.user_attrs[RUNS]) == 1  # the second seed cannot change the score


def test_direction_higher_negates_the_worst_score(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lambda config: "diverged" if config.seed else 0.0)
    plan = make_plan(objectives=("quality/coverage_classifier",))
    do(plan)
    study = open_study(plan, plan.arms[0], open_storage(plan.storage))
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.get_trials()[0].value == -WORST


def test_a_crash_is_a_failed_trial_that_does_not_count(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(trials=1)
    Fake(monkeypatch, lambda _: "failed")
    (result,) = do(plan)
    assert result.status == "failed"
    Fake(monkeypatch, lr)
    do(plan, times=2)
    assert [trial.state.name for trial in trials(plan)] == ["FAIL", "COMPLETE"]
    assert trials(plan)[0].user_attrs[REASON] == "it failed"


@pytest.mark.parametrize("status", ["interrupted", "busy"])  # busy: stopped while another process held the run lock
def test_a_stopped_trial_is_repeated_with_the_same_parameters(make_plan: Any, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    plan = make_plan(trials=2)
    Fake(monkeypatch, lr)
    do(plan)
    fake = Fake(monkeypatch, lambda _: status)
    assert [result.status for result in do(plan)] == ["interrupted"]
    again = Fake(monkeypatch, lr)
    do(plan, times=3)
    assert again.configs == fake.configs
    states = [(trial.state.name, trial.user_attrs.get(AGAIN)) for trial in trials(plan)]
    assert states == [("COMPLETE", None), ("FAIL", None), ("COMPLETE", 1)]


def test_no_trial_starts_after_a_stop(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, lr)
    assert [result.status for result in do(make_plan(), stop=lambda: True)] == ["interrupted"]
    assert not fake.configs


def test_a_run_worse_than_the_median_is_pruned_at_an_evaluation_point(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(pruner="median", trials=5, settings={**ONE.settings, "evaluation.marks": 3})
    scores = iter([3.0, 2.0, 1.0, 9.0, 0.5])
    fake = Fake(monkeypatch, lambda _: next(scores), marks=3)
    results = do(plan, times=5)
    assert fake.statuses == ["finished", "finished", "finished", "pruned", "finished"]
    pruned = trials(plan)[3]
    assert (pruned.state, list(pruned.intermediate_values)) == (TrialState.PRUNED, [160])
    assert results[3].reason == "distilled FID 15.75 at 161 images, its best so far is worse than the median"
    assert pruned.user_attrs[IMAGES] == 161


def test_evaluation_points_are_compared_at_their_planned_positions(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(pruner="median", settings={**ONE.settings, "evaluation.marks": 3})
    Fake(monkeypatch, lr, marks=3)
    do(plan)
    assert list(trials(plan)[0].intermediate_values) == [160, 320, 480]
    assert [step_of(share, 3, 900) for share in (0.334, 0.663, 0.67)] == [300, 600, 600]
    assert step_of(0.51, 2, None) == 1


def test_seeds_that_are_all_worse_than_the_best_are_pruned(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(pruner="wilcoxon", search_seeds=8, trials=2)
    state = {"level": 1.0}
    fake = Fake(monkeypatch, lambda config: state["level"] + config.seed % 10 / 100)
    do(plan)
    state["level"] = 2.0
    (result,) = do(plan)
    assert trials(plan)[1].state == TrialState.PRUNED
    assert result.status == "pruned"
    assert 8 + 3 <= len(fake.configs) < 16


def test_two_objectives(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    plan = make_plan(objectives=(FID, "perf/train_seconds"))
    do(plan)
    assert trials(plan)[0].values == [1.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_the_same_sampler_seed_gives_the_same_trials(sampler: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def params(folder: str, study: Study) -> list[Any]:
        plan = planned(uri, tmp_path / folder, study)
        do(plan, times=12)
        return [trial.params for trial in trials(plan)]

    Fake(monkeypatch, lr)
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    study = replace(ONE, sampler=sampler, trials=12)
    one_, two, other = params("a", study), params("b", study), params("c", replace(study, sampler_seed=1))
    assert one_ == two
    assert one_[0] == other[0]
    assert one_[1:] != other[1:]
    assert len({str(found) for found in one_}) == 12


def test_tpe_learns(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import math

    Fake(monkeypatch, lambda config: 1 + (math.log10(float(config.recipe.lr_g)) + 3) ** 2)
    plan = make_plan(trials=40)
    do(plan, times=40)
    late = [abs(math.log10(trial.params["recipe.lr_g"]) + 3) for trial in trials(plan)[20:]]
    early = [abs(math.log10(trial.params["recipe.lr_g"]) + 3) for trial in trials(plan)[1:12]]
    assert sorted(late)[len(late) // 2] < sorted(early)[len(early) // 2] / 2


def test_a_grid_is_the_default_and_every_point_once(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lr)
    plan = make_plan(sampler="grid", space="lr-k-tied", trials=100)
    statuses = [result.status for result in do(plan, times=23)]
    assert statuses == ["finished"] * 21 + ["nothing"] * 2
    points = {(trial.params["recipe.lr_g"], trial.params["recipe.k"]) for trial in trials(plan)[1:]}
    assert points == {(rate, k) for rate in (1e-5, 1e-4, 1e-3, 1e-2) for k in range(1, 6)}
