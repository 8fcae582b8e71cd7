"""Grouping of runs into cohorts and entries."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from synthetic_results import DISTILLED, FID, KL, PIXELS, SyntheticRun, distilled_runs, points, references, results, synthetic_runs
from synthetic_study import final_runs, search_runs, studied, usual

from bench.core.errors import UserError
from bench.metrics.columns import measured
from bench.tracking.results import Results
from reports.view import view

TWO = {"a": (10.0, 11.0, 12.0), "b": (20.0, 21.0, 22.0)}


@pytest.mark.parametrize("runs", [[], references()])
def test_no_runs_is_one_line_that_names_the_store(runs: list[SyntheticRun]) -> None:
    with pytest.raises(UserError, match=r"'test' at sqlite:///test.db;"):
        view(results(runs))


def test_one_cohort_ranked_by_median() -> None:
    prepared = view(results([*synthetic_runs({"b": (1.0, 30.0, 31.0), "a": (10.0, 11.0, 12.0)}), *references()]))
    (cohort,) = prepared.cohorts
    assert [entry.name for entry in cohort.entries] == ["a", "b"]
    assert (cohort.title, cohort.budget, cohort.headline.key) == ("", "150,000 real images", FID)
    assert list(cohort.references["variant"]) == ["real", "untrained"]
    assert list(cohort.entries[0].runs["seed"]) == [0, 1, 2]


def test_unmeasured_entries_and_then_failed_ones_come_last() -> None:
    runs = [*synthetic_runs(TWO), SyntheticRun(variant="_failed", status="diverged"), SyntheticRun(variant="_nan", fid=math.nan)]
    (cohort,) = view(results(runs)).cohorts
    assert [entry.name for entry in cohort.entries] == ["a", "b", "_nan", "_failed"]


def test_datasets_budgets_and_tracks_are_cohorts() -> None:
    runs = synthetic_runs(TWO)
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
        *synthetic_runs(TWO),
        *synthetic_runs({"c": TWO["a"]}, **none, **{"param:budget.generator_updates": "5000"}),
        *synthetic_runs({"d": TWO["a"]}, **none, **{"param:budget.train_seconds": "60.0"}),
    ]
    prepared = view(results(runs))
    assert [cohort.title for cohort in prepared.cohorts] == [
        "fashion-mnist, 150,000 real images",
        "fashion-mnist, 5,000 G updates",
        "fashion-mnist, 60 train seconds",
    ]
    assert [[entry.name for entry in cohort.entries] for cohort in prepared.cohorts] == [["a", "b"], ["c"], ["d"]]


def test_tracks_are_cohorts_in_words() -> None:
    runs = [
        *synthetic_runs({"a": TWO["a"]}, track="controlled"),
        *synthetic_runs({"b": TWO["b"]}, track="published"),
        *synthetic_runs({"c": TWO["a"]}, track="mine"),
    ]
    prepared = view(results(runs))
    assert [cohort.title for cohort in prepared.cohorts] == [
        "fashion-mnist, controlled: one network, only the loss differs",
        "fashion-mnist, mine",
        "fashion-mnist, published recipes",
    ]
    assert prepared.cohorts[2].setting == "fashion-mnist, 150,000 real images each, published recipes"


def test_two_results_versions_never_share_a_cohort_and_the_unrecorded_is_the_first() -> None:
    runs = [
        *synthetic_runs({"a": TWO["a"]}),
        *synthetic_runs({"b": TWO["b"]}, results_version="1"),
        *synthetic_runs({"c": TWO["a"]}, results_version="2"),
    ]
    prepared = view(results(runs))
    assert [[entry.name for entry in cohort.entries] for cohort in prepared.cohorts] == [["a", "b"], ["c"]]
    assert [cohort.title for cohort in prepared.cohorts] == ["fashion-mnist, results version 1", "fashion-mnist, results version 2"]


def test_two_versions_of_a_variant_are_two_entries() -> None:
    newer = [replace(run, columns={"run_id": f"n-{run.run_id}", "variant_version": "2"}) for run in synthetic_runs({"a": (5.0, 6.0, 7.0)})]
    (cohort,) = view(results([*synthetic_runs(TWO), *newer])).cohorts
    assert [entry.name for entry in cohort.entries] == ["a (variant_version=2)", "a (variant_version=1)", "b"]
    mixed = [replace(run, columns={"variant_version": "1"} if run.seed else {}) for run in synthetic_runs(TWO)]
    assert [entry.name for entry in view(results(mixed)).cohorts[0].entries] == ["a", "b"]


def test_two_sources_of_a_variant_are_two_entries() -> None:
    older, newer = (
        [replace(run, columns={"run_id": f"{source}-{run.run_id}", "variant_source": source}) for run in synthetic_runs({"m:V": values})]
        for source, values in (("0a", (5.0, 6.0, 7.0)), ("0b", (1.0, 2.0, 3.0)))
    )
    (cohort,) = view(results([*older, *newer])).cohorts
    assert [entry.name for entry in cohort.entries] == ["m:V (variant_source=0b)", "m:V (variant_source=0a)"]


def test_two_protocols_never_share_a_cohort() -> None:
    old, new = synthetic_runs({"a": TWO["a"]}), [replace(run, protocol="p1") for run in synthetic_runs({"b": TWO["b"]})]
    prepared = view(results([*old, *new, *references()]))
    assert [[entry.name for entry in cohort.entries] for cohort in prepared.cohorts] == [["a"], ["b"]]
    assert [len(cohort.references) for cohort in prepared.cohorts] == [2, 0]
    assert all("protocol" in cohort.why for cohort in prepared.cohorts)


def test_a_run_without_any_protocol_counts_under_each() -> None:
    runs = [
        *synthetic_runs({"a": TWO["a"]}),
        *(replace(run, protocol="p1") for run in synthetic_runs({"b": TWO["b"]})),
        SyntheticRun(variant="a", seed=3, status="failed"),
    ]
    first, second = view(results(runs)).cohorts
    assert [entry.sample(FID).failures for entry in first.entries] == [1]
    assert [(entry.name, entry.sample(FID).failures) for entry in second.entries] == [("b", 0), ("a", 1)]


def unrecorded(found: Results, *run_ids: str) -> Results:
    """Return the results without the evaluation protocols of these runs."""
    return replace(found, protocols=found.protocols[~found.protocols["run_id"].isin(run_ids)])


def members(found: Results) -> list[set[str]]:
    """Return the ids of the runs of each cohort."""
    return [set(cohort.runs["run_id"]) for cohort in view(found).cohorts]


def test_measured_runs_of_unknown_protocols_are_compared_with_none() -> None:
    runs = [*synthetic_runs(TWO), SyntheticRun(variant="a", seed=3, status="failed"), *references()]
    found = unrecorded(results(runs), "b-0", "b-1")
    known, *alone = view(found).cohorts
    assert set(known.runs["run_id"]) == {"a-0", "a-1", "a-2", "a-3", "b-2"}
    assert (len(known.references), known.recorded) == (2, True)
    assert [set(cohort.runs["run_id"]) for cohort in alone] == [{"b-0"}, {"b-1"}]
    assert [(len(cohort.references), cohort.recorded, cohort.comparisons) for cohort in alone] == [(0, False, [])] * 2
    assert len({cohort.title for cohort in (known, *alone)}) == 3


def test_no_protocol_at_all_compares_nothing() -> None:
    found = results(synthetic_runs(TWO))
    assert members(replace(found, protocols=found.protocols.iloc[:0])) == [{run} for run in sorted(found.runs["run_id"])]


def test_runs_of_unknown_protocols_are_with_those_of_the_same_hash() -> None:
    runs = [replace(run, columns={"protocol": "h"}) for run in synthetic_runs(TWO)]
    assert members(unrecorded(results(runs), "b-0")) == [{run.run_id for run in runs}]  # other runs record the protocol of this hash
    others = [replace(run, columns={"protocol": "g" if run.seed else "h"}) for run in synthetic_runs({"b": TWO["b"]})]
    found = results([*synthetic_runs({"a": TWO["a"]}, protocol="i"), *others])
    assert members(unrecorded(found, "b-0", "b-1", "b-2")) == [{"a-0", "a-1", "a-2"}, {"b-1", "b-2"}, {"b-0"}]


def test_two_protocols_stay_apart_where_those_of_one_cannot_be_read() -> None:
    found = results([*synthetic_runs({"a": TWO["a"]}), *(replace(run, protocol="p1") for run in synthetic_runs({"b": TWO["b"]}))])
    assert members(unrecorded(found, "b-0", "b-1", "b-2")) == [{"a-0", "a-1", "a-2"}, {"b-0"}, {"b-1"}, {"b-2"}]


def test_two_configurations_of_a_variant_are_two_entries() -> None:
    fast = [
        replace(run, columns={"run_id": f"f-{run.run_id}", "param:recipe.lr_g": "0.0005"}) for run in synthetic_runs({"a": (5.0, 6.0, 7.0)})
    ]
    (cohort,) = view(results([*synthetic_runs(TWO), *fast])).cohorts
    assert [entry.name for entry in cohort.entries] == ["a (lr_g=0.0005)", "a (lr_g=0.0002)", "b"]
    assert [entry.sample(FID).n for entry in cohort.entries] == [3, 3, 3]


def test_how_it_was_measured_is_no_configuration() -> None:
    runs = [replace(run, columns={"param:evaluation.batch_size": str(run.seed)}) for run in synthetic_runs(TWO)]
    assert [entry.name for entry in view(results(runs)).cohorts[0].entries] == ["a", "b"]


def test_of_runs_with_one_seed_the_newest_that_ended_counts() -> None:
    runs = synthetic_runs({"a": (10.0,)})
    again = replace(runs[0], fid=12.0, columns={"run_id": "newer"})
    running = replace(runs[0], fid=math.nan, status="running", columns={"run_id": "newest"})
    prepared = view(results([*runs, again, running]))
    assert list(prepared.runs["run_id"]) == ["newer"]
    assert prepared.superseded == 2


def test_another_metric_ranks_where_the_headline_is_missing() -> None:
    runs = [replace(run, fid=math.nan) for run in synthetic_runs(TWO)]
    assert view(results(runs)).cohorts[0].headline.key == "quality/precision_classifier"


def test_runs_are_ranked_by_the_headline_they_recorded() -> None:
    prepared = view(results([*synthetic_runs(TWO), *points({"d": (0.1, 0.2), "c": (0.5, 0.6)}), *references()]))
    images, plane = prepared.cohorts
    assert (images.headline.key, images.things) == (FID, "images")
    assert (plane.headline.key, plane.things, plane.budget) == (KL, "points", "150,000 real points")
    assert [entry.name for entry in plane.entries] == ["d", "c"]
    assert [cohort.title for cohort in prepared.cohorts] == ["fashion-mnist", "ring8"]


def test_a_recorded_headline_that_nobody_has_gives_way() -> None:
    pixels = {"a": 2.0, "b": 1.0}
    runs = [replace(run, fid=math.nan, metrics={PIXELS: pixels[run.variant]}, columns={"headline": PIXELS}) for run in synthetic_runs(TWO)]
    (cohort,) = view(results(runs)).cohorts
    assert (cohort.headline.key, [entry.name for entry in cohort.entries]) == (PIXELS, ["b", "a"])
    unmeasured = [replace(run, metrics=dict.fromkeys(measured(), math.nan)) for run in runs]
    assert view(results(unmeasured)).cohorts[0].headline.key == PIXELS
    older = [replace(run, columns={"headline": KL}) for run in synthetic_runs(TWO)]
    assert view(results(older)).cohorts[0].headline.key == FID


# By distilled FID, c is better than d. By classifier-FID, d is better than c and all others.
NEWER = {"c": ((1.0, 30.0), (1.1, 31.0), (1.2, 32.0)), "d": ((2.0, 5.0), (2.1, 6.0), (2.2, 7.0))}


@pytest.mark.parametrize("older", [{"a": (10.0, 11.0, 12.0)}, {name: (10.0 + i, 11.0, 12.0) for i, name in enumerate("aefgh")}])
def test_runs_with_two_headlines_are_ranked_by_the_one_that_all_have(older: dict[str, tuple[float, ...]]) -> None:
    (cohort,) = view(results([*synthetic_runs(older), *distilled_runs(NEWER)])).cohorts
    assert cohort.headline.key == FID
    assert [entry.name for entry in cohort.entries] == ["d", *older, "c"]
    assert all(len(entry.sample(FID).values) == 3 for entry in cohort.entries)
    assert not any(pair.reason for pair in cohort.comparisons)
    (alone,) = view(results(distilled_runs(NEWER))).cohorts
    assert (alone.headline.key, [entry.name for entry in alone.entries]) == (DISTILLED, ["c", "d"])


def test_runs_without_a_common_metric_are_in_two_cohorts() -> None:
    new = [replace(run, metrics={}) for run in distilled_runs(NEWER)]
    cohorts = view(results([*synthetic_runs(TWO), *new])).cohorts
    assert {cohort.headline.key: [entry.name for entry in cohort.entries] for cohort in cohorts} == {FID: ["a", "b"], DISTILLED: ["c", "d"]}
    assert len({cohort.title for cohort in cohorts}) == 2
    both = SyntheticRun(variant="e", fid=9.0, headline=DISTILLED, metrics={FID: 9.0})
    for cohort in view(results([*synthetic_runs(TWO), *new, both])).cohorts:
        assert all(entry.sample(cohort.headline.key).values for entry in cohort.entries)


def test_a_common_metric_ranks_even_if_it_is_no_ones_headline() -> None:
    old = [replace(run, metrics={PIXELS: run.fid / 10}) for run in synthetic_runs(TWO)]
    new = [replace(run, metrics={PIXELS: run.fid}) for run in distilled_runs(NEWER)]
    (cohort,) = view(results([*old, *new])).cohorts
    assert (cohort.headline.key, [entry.name for entry in cohort.entries]) == (PIXELS, ["a", "c", "b", "d"])


def test_a_failed_run_does_not_change_the_headline() -> None:
    failed = SyntheticRun(variant="a", status="failed")
    found = results([failed, *distilled_runs(NEWER)])
    recorded = pd.DataFrame([(failed.run_id, FID, f"p0-{FID}")], columns=found.protocols.columns)
    (cohort,) = view(replace(found, protocols=pd.concat([recorded, found.protocols]))).cohorts
    assert cohort.headline.key == DISTILLED
    assert {entry.name for entry in cohort.entries} == {"a", "c", "d"}


def test_reference_rows_have_the_headline_of_their_cohort() -> None:
    scale = {"real": 0.2, "untrained": 9.0}
    own = [
        SyntheticRun(variant=name, fid=value, headline=DISTILLED, metrics={FID: 10 * value}, columns={"kind": "reference"})
        for name, value in scale.items()
    ]
    for rows in ([*own, *references()], [*references(), *own]):  # in both orders of start
        (cohort,) = view(results([*distilled_runs(NEWER), *rows])).cohorts
        assert dict(zip(cohort.references["variant"], cohort.references[DISTILLED], strict=True)) == scale


@pytest.mark.parametrize("recorded", ["quality/unheard_of", "train/loss_d", "modes/collapse_se"])
def test_a_headline_that_ranks_nothing_is_ignored(recorded: str) -> None:
    runs = [replace(run, columns={"headline": recorded}) for run in synthetic_runs(TWO)]
    assert view(results(runs)).cohorts[0].headline.key == FID


def named(recorded: dict[str, Any], runs: list[SyntheticRun]) -> list[list[str]]:
    return [[entry.name for entry in cohort.entries] for cohort in view(studied(recorded, runs)).cohorts]


def test_final_runs_are_entries_and_search_runs_are_none() -> None:
    recorded = usual(8)
    prepared = view(studied(recorded))
    (cohort,) = prepared.cohorts
    assert {entry.name for entry in cohort.entries} == {
        "dcgan (tuned)", "dcgan (default)", "wgan-gp (tuned)", "wgan-gp (default)", "ns-gan (default = best)",
    }  # fmt: skip
    assert set(prepared.runs["phase"]) == {"final"}
    assert (prepared.superseded, prepared.unread) == (0, ())
    (searched,) = prepared.studies
    assert searched.search_runs == len(search_runs(recorded)) > 20
    assert prepared.palette["dcgan"] == prepared.palette["dcgan (tuned)"]
    assert prepared.palette["ns-gan"] == prepared.palette["ns-gan (default = best)"]


def test_a_search_without_final_runs_has_a_view() -> None:
    recorded = usual(8)
    for runs in (search_runs(recorded), []):
        prepared = view(studied(recorded, runs))
        assert (prepared.cohorts, len(prepared.studies), prepared.runs.empty) == ((), 1, True)
        assert {"dcgan", "wgan-gp", "ns-gan"} <= set(prepared.palette)


def test_a_study_that_cannot_be_read_is_named() -> None:
    recorded = usual(8)
    prepared = view(replace(studied(recorded), studies=()))
    assert (prepared.studies, prepared.unread) == ((), ("lr-k-quick",))
    assert {entry.name for entry in prepared.cohorts[0].entries} >= {"dcgan (tuned)", "ns-gan (default = best)"}
    assert view(replace(studied(recorded, search_runs(recorded)), studies=())).cohorts == ()


def test_the_same_variant_outside_a_study_keeps_its_name() -> None:
    recorded = usual(8)
    plain = synthetic_runs({"dcgan": (40.0, 41.0, 42.0)}, **{"param:budget.images": "30000"})
    (names,) = named(recorded, [*plain, *final_runs(recorded)])
    assert {"dcgan", "dcgan (tuned)", "dcgan (default)"} <= set(names)


def test_the_best_that_the_study_holds_now_has_the_name() -> None:
    """After more trials, the new best trial is "tuned". The names of the former best trial's runs have their settings."""
    before, after = usual(6), usual(14)
    assert before["variants"]["dcgan"]["best"]["number"] != after["variants"]["dcgan"]["best"]["number"]
    old = [run for run in final_runs(before) if run.variant == "dcgan" and run.columns["recipe"] == "tuned"]
    (names,) = named(after, [*final_runs(after), *old])
    former = [name for name in names if name.startswith("dcgan (tuned, ")]
    assert "dcgan (tuned)" in names
    assert len(former) == 1
    assert "lr_g=" in former[0]
    entry = next(entry for entry in view(studied(after, [*final_runs(after), *old])).cohorts[0].entries if entry.name == "dcgan (tuned)")
    assert set(entry.runs["trial"]) == {str(after["variants"]["dcgan"]["best"]["number"])}


def test_without_the_study_the_newest_best_has_the_name() -> None:
    before, after = usual(6), usual(14)
    found = replace(studied(after, [*final_runs(before), *final_runs(after)]), studies=())
    entry = next(entry for entry in view(found).cohorts[0].entries if entry.name == "dcgan (tuned)")
    assert set(entry.runs["trial"]) == {str(after["variants"]["dcgan"]["best"]["number"])}


def test_a_superseded_best_is_no_plain_entry() -> None:
    before, after = usual(6), usual(14)
    old = [replace(run, columns={**run.columns, "recipe": "superseded"}) for run in final_runs(before) if run.columns["recipe"] == "tuned"]
    (names,) = named(after, [*final_runs(after), *old])
    assert {"dcgan (tuned)", "dcgan (tuned before)"} <= set(names)
    assert "dcgan" not in names


def test_a_default_that_was_the_best_once_is_the_default_now() -> None:
    recorded = usual(8)
    runs = [
        replace(run, columns={**run.columns, "recipe": "both"}) if run.variant == "dcgan" and run.columns["recipe"] == "default" else run
        for run in final_runs(recorded)
    ]
    assert {"dcgan (tuned)", "dcgan (default)"} <= set(named(recorded, runs)[0])


@pytest.mark.parametrize("recipe", ["", "something", "TUNED", "x" * 500])
def test_a_final_run_of_no_known_recipe_is_a_plain_entry(recipe: str) -> None:
    recorded = usual(5)
    runs = [replace(run, columns={**run.columns, "recipe": recipe}) for run in final_runs(recorded)]
    assert not any("tuned" in name or "x" * 20 in name for name in named(recorded, runs)[0])


def test_the_entry_of_the_final_runs_is_found() -> None:
    recorded = usual(8)
    (searched,) = view(studied(recorded)).studies
    dcgan, default_search, _ = searched.study.tunings
    tuned, default = searched.final(dcgan, "tuned", "both"), searched.final(dcgan, "default", "both")
    assert tuned is not None
    assert default is not None
    assert (tuned[1].name, default[1].name, tuned[0] is default[0]) == ("dcgan (tuned)", "dcgan (default)", True)
    same = [searched.final(default_search, role, "both") for role in ("tuned", "default")]
    assert [found and found[1].name for found in same] == ["ns-gan (default = best)"] * 2
    assert view(studied(recorded, search_runs(recorded))).studies[0].final(dcgan, "tuned") is None
