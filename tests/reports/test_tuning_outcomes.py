"""Outcomes of tuning, by the final runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from synthetic_results import SyntheticRun
from synthetic_study import final_runs, search_runs, studied, usual

from reports.tuning_outcomes import TuningOutcome, tuning_outcomes
from reports.view import view


def of(recorded: dict[str, Any], runs: list[SyntheticRun]) -> dict[str, TuningOutcome]:
    (searched,) = view(studied(recorded, runs)).studies
    return {outcome.tuning.variant: outcome for outcome in tuning_outcomes(searched)}


def test_tuned_is_compared_with_default_under_holm() -> None:
    recorded = usual(14)
    found = of(recorded, final_runs(recorded, {"dcgan": 1.4, "wgan-gp": 1.001}))
    pair, other = found["dcgan"].pair, found["wgan-gp"].pair
    assert pair is not None
    assert pair.p is not None
    assert pair.p_holm is not None
    assert other is not None
    assert (pair.verdict, pair.better, pair.test) == ("clearly better", "tuned", "Welch on logs")
    assert pair.p_holm == 2 * pair.p
    assert (other.verdict, other.better) == ("no significant difference", None)
    assert (found["ns-gan"].same, found["ns-gan"].pair) == (True, None)
    assert {name: data.n for name, data in found["dcgan"].samples.items()} == {"default": 3, "tuned": 3}
    assert set(found["ns-gan"].samples) == {"default"}


def test_a_search_that_misled_favours_the_default() -> None:
    recorded = usual(14)
    pair = of(recorded, final_runs(recorded, {"dcgan": 0.7}))["dcgan"].pair
    assert pair is not None
    assert (pair.better, pair.verdict) == ("default", "clearly better")


def test_without_final_runs_there_is_nothing_to_compare() -> None:
    recorded = usual(14)
    found = of(recorded, search_runs(recorded))["dcgan"]
    assert (found.tuned, found.default, found.same, found.pair, found.samples, found.former_trial) == (None, None, False, None, {}, "")


def test_few_seeds_are_not_tested() -> None:
    recorded = usual(14)
    pair = of(recorded, [run for run in final_runs(recorded) if run.seed < 2])["dcgan"].pair
    assert pair is not None
    assert (pair.p, pair.reason) == (None, "fewer than 3 seeds")


def test_recipes_with_different_protocols_are_not_compared() -> None:
    recorded = usual(14)
    runs = [replace(run, protocol="p1") if run.columns["recipe"] == "tuned" else run for run in final_runs(recorded)]
    pair = of(recorded, runs)["dcgan"].pair
    assert pair is not None
    assert pair.p is None
    assert pair.reason


def test_final_runs_of_a_former_best_name_its_trial() -> None:
    before, after = usual(6), usual(14)
    found = of(after, final_runs(before))
    assert found["dcgan"].former_trial == str(before["variants"]["dcgan"]["best"]["number"])


def test_runs_of_another_study_do_not_count() -> None:
    recorded = usual(14)
    runs = [replace(run, columns={**run.columns, "study": "another"}) for run in final_runs(recorded)]
    assert of(recorded, runs)["dcgan"].samples == {}
