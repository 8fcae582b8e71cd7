"""What is compared with what."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from synthetic_results import FID, KL, PIXELS, Made, made, points, references, results

from bench.cards import measured
from bench.errors import UserError
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}


def test_no_runs_is_one_clear_line() -> None:
    with pytest.raises(UserError, match=r"there are no runs to report on in 'test' at sqlite:///test.db"):
        view(results([]))
    with pytest.raises(UserError, match="no runs"):
        view(results(references()))


def test_one_cohort_ranked_by_median() -> None:
    prepared = view(results([*made({"b": (1.0, 30.0, 31.0), "a": (10.0, 11.0, 12.0)}), *references()]))
    (cohort,) = prepared.cohorts
    assert [entry.name for entry in cohort.entries] == ["a", "b"]
    assert (cohort.title, cohort.budget, cohort.headline.key) == ("", "150,000 real images", FID)
    assert list(cohort.references["variant"]) == ["real", "untrained"]
    assert list(cohort.entries[0].runs["seed"]) == [0, 1, 2]


def test_failed_and_unmeasured_entries_come_last() -> None:
    runs = [*made(TWO), Made(variant="_failed", status="diverged"), Made(variant="_nan", fid=math.nan)]
    (cohort,) = view(results(runs)).cohorts
    assert [entry.name for entry in cohort.entries] == ["a", "b", "_failed", "_nan"]


def test_datasets_budgets_and_tracks_are_cohorts() -> None:
    runs = made(TWO)
    other = [replace(run, columns={"run_id": f"m-{run.run_id}", "dataset": "mnist"}) for run in runs]
    longer = [replace(run, columns={"run_id": f"l-{run.run_id}", "param:budget.images": "300000"}) for run in runs]
    prepared = view(results([*runs, *other, *longer, *references()]))
    assert [cohort.title for cohort in prepared.cohorts] == [
        "fashion-mnist, 150,000 real images",
        "fashion-mnist, 300,000 real images",
        "mnist, 150,000 real images",
    ]
    assert [len(cohort.references) for cohort in prepared.cohorts] == [2, 2, 0]


def test_budgets_of_other_units_are_cohorts_and_have_words() -> None:
    none = {"param:budget.images": "None"}
    runs = [
        *made(TWO),
        *made({"c": TWO["a"]}, **none, **{"param:budget.generator_updates": "5000"}),
        *made({"d": TWO["a"]}, **none, **{"param:budget.train_seconds": "60.0"}),
    ]
    prepared = view(results(runs))
    assert [cohort.title for cohort in prepared.cohorts] == [
        "fashion-mnist, 150,000 real images",
        "fashion-mnist, 5,000 G updates",
        "fashion-mnist, 60 train seconds",
    ]
    assert [[entry.name for entry in cohort.entries] for cohort in prepared.cohorts] == [["a", "b"], ["c"], ["d"]]


def test_tracks_are_cohorts_in_words() -> None:
    runs = [*made({"a": TWO["a"]}, track="controlled"), *made({"b": TWO["b"]}, track="published"), *made({"c": TWO["a"]}, track="mine")]
    prepared = view(results(runs))
    assert [cohort.title for cohort in prepared.cohorts] == [
        "fashion-mnist, controlled: one network, only the loss differs",
        "fashion-mnist, mine",
        "fashion-mnist, published recipes",
    ]
    assert prepared.cohorts[2].setting == "fashion-mnist, 150,000 real images each, published recipes"


def test_two_results_versions_never_share_a_cohort_and_the_unrecorded_is_the_first() -> None:
    runs = [*made({"a": TWO["a"]}), *made({"b": TWO["b"]}, results_version="1"), *made({"c": TWO["a"]}, results_version="2")]
    prepared = view(results(runs))
    assert [[entry.name for entry in cohort.entries] for cohort in prepared.cohorts] == [["a", "b"], ["c"]]
    assert [cohort.title for cohort in prepared.cohorts] == ["fashion-mnist, results version 1", "fashion-mnist, results version 2"]


def test_two_versions_of_a_variant_are_two_entries() -> None:
    newer = [replace(run, columns={"run_id": f"n-{run.run_id}", "variant_version": "2"}) for run in made({"a": (5.0, 6.0, 7.0)})]
    (cohort,) = view(results([*made(TWO), *newer])).cohorts
    assert [entry.name for entry in cohort.entries] == ["a (variant_version=2)", "a (variant_version=1)", "b"]
    mixed = [replace(run, columns={"variant_version": "1"} if run.seed else {}) for run in made(TWO)]
    assert [entry.name for entry in view(results(mixed)).cohorts[0].entries] == ["a", "b"]


def test_two_protocols_never_share_a_cohort() -> None:
    old, new = made({"a": TWO["a"]}), [replace(run, protocol="p1") for run in made({"b": TWO["b"]})]
    prepared = view(results([*old, *new, *references()]))
    assert [[entry.name for entry in cohort.entries] for cohort in prepared.cohorts] == [["a"], ["b"]]
    assert [len(cohort.references) for cohort in prepared.cohorts] == [2, 0]
    assert all("protocol" in cohort.why for cohort in prepared.cohorts)


def test_a_run_without_any_protocol_counts_under_each() -> None:
    runs = [
        *made({"a": TWO["a"]}),
        *(replace(run, protocol="p1") for run in made({"b": TWO["b"]})),
        Made(variant="a", seed=3, status="failed"),
    ]
    first, second = view(results(runs)).cohorts
    assert [entry.sample(FID).failures for entry in first.entries] == [1]
    assert [(entry.name, entry.sample(FID).failures) for entry in second.entries] == [("b", 0), ("a", 1)]


def test_two_configurations_of_a_variant_are_two_entries() -> None:
    fast = [replace(run, columns={"run_id": f"f-{run.run_id}", "param:recipe.lr_g": "0.0005"}) for run in made({"a": (5.0, 6.0, 7.0)})]
    (cohort,) = view(results([*made(TWO), *fast])).cohorts
    assert [entry.name for entry in cohort.entries] == ["a (lr_g=0.0005)", "a (lr_g=0.0002)", "b"]
    assert [entry.sample(FID).n for entry in cohort.entries] == [3, 3, 3]


def test_how_it_was_measured_is_no_configuration() -> None:
    runs = [replace(run, columns={"param:evaluation.batch_size": str(run.seed)}) for run in made(TWO)]
    assert [entry.name for entry in view(results(runs)).cohorts[0].entries] == ["a", "b"]


def test_of_runs_with_one_seed_the_newest_that_ended_counts() -> None:
    runs = made({"a": (10.0,)})
    again = replace(runs[0], fid=12.0, columns={"run_id": "newer"})
    waiting = replace(runs[0], fid=math.nan, status="running", columns={"run_id": "newest"})
    prepared = view(results([*runs, again, waiting]))
    assert list(prepared.runs["run_id"]) == ["newer"]
    assert prepared.superseded == 2


def test_another_metric_ranks_where_the_headline_is_missing() -> None:
    runs = [replace(run, fid=math.nan) for run in made(TWO)]
    assert view(results(runs)).cohorts[0].headline.key == "quality/precision_classifier"


def test_runs_are_ranked_by_the_headline_they_recorded() -> None:
    prepared = view(results([*made(TWO), *points({"d": (0.1, 0.2), "c": (0.5, 0.6)}), *references()]))
    images, plane = prepared.cohorts
    assert (images.headline.key, images.things) == (FID, "images")
    assert (plane.headline.key, plane.things, plane.budget) == (KL, "points", "150,000 real points")
    assert [entry.name for entry in plane.entries] == ["d", "c"]
    assert [cohort.title for cohort in prepared.cohorts] == ["fashion-mnist", "ring8"]


def test_a_recorded_headline_that_nobody_has_gives_way() -> None:
    pixels = {"a": 2.0, "b": 1.0}
    runs = [replace(run, fid=math.nan, metrics={PIXELS: pixels[run.variant]}, columns={"headline": PIXELS}) for run in made(TWO)]
    (cohort,) = view(results(runs)).cohorts
    assert (cohort.headline.key, [entry.name for entry in cohort.entries]) == (PIXELS, ["b", "a"])
    unmeasured = [replace(run, metrics=dict.fromkeys(measured(), math.nan)) for run in runs]
    assert view(results(unmeasured)).cohorts[0].headline.key == PIXELS
    older = [replace(run, columns={"headline": KL}) for run in made(TWO)]
    assert view(results(older)).cohorts[0].headline.key == FID


@pytest.mark.parametrize("recorded", ["quality/unheard_of", "train/loss_d", "modes/collapse_se"])
def test_a_headline_that_ranks_nothing_is_ignored(recorded: str) -> None:
    runs = [replace(run, columns={"headline": recorded}) for run in made(TWO)]
    assert view(results(runs)).cohorts[0].headline.key == FID
