"""Section on scores over several data sets: comparable entries, with the values of reports.scores."""

from __future__ import annotations

import math
from typing import Any

import pytest
from synthetic_results import SyntheticRun, references, results, synthetic_runs

from bench.tracking.results import Results
from reports import scores
from reports.build import build as whole
from reports.document import Figure, Section, Table, Text
from reports.plots.profiles import profiles_data
from reports.render import html
from reports.sections.across_datasets import build, dataset_groups
from reports.view import view

ONE = {"a": (30.0, 33.0, 31.0), "b": (60.0, 61.0, 58.0), "c": (45.0, 40.0, 50.0)}
TWO = {"a": (20.0, 22.0, 21.0), "b": (10.0, 11.0, 12.0), "d": (15.0, 14.0, 16.0)}


def on(dataset: str, values: dict[str, tuple[float, ...]], **columns: Any) -> list[SyntheticRun]:
    runs = [*synthetic_runs(values, dataset=dataset, **columns), *references(dataset=dataset)]
    return [
        SyntheticRun(**{**vars(run), "columns": {**run.columns, "run_id": f"{dataset}-{run.variant}-{run.seed}-{len(columns)}"}})
        for run in runs
    ]


def two() -> Results:
    return results([*on("fashion-mnist", ONE), *on("mnist", TWO)])


def test_runs_with_fixed_streams_are_in_no_score_with_others() -> None:
    mixed = results([*on("fashion-mnist", ONE), *on("mnist", TWO, **{"param:vary": "init"})])
    assert dataset_groups(view(mixed)) == []


def built(found: Results) -> Section:
    section = build(view(found))
    assert section is not None
    return section


def test_entries_of_all_data_sets_and_no_others() -> None:
    (field,) = dataset_groups(view(two()))
    assert sorted(field.scores) == ["a", "b"]
    assert [cohort.dataset for cohort in field.cohorts] == ["fashion-mnist", "mnist"]


def test_the_figures_are_those_of_the_scores() -> None:
    (field,) = dataset_groups(view(two()))
    scale = scores.ScoreScale(untrained=210.0, real=0.1)
    expected = {name: {"fashion-mnist": [scale.score(v) for v in ONE[name]], "mnist": [scale.score(v) for v in TWO[name]]} for name in "ab"}
    for name in "ab":
        assert {data: list(own) for data, own in field.scores[name].items()} == expected[name]
        assert field.aggregates[name] == scores.aggregate(expected[name])
    assert field.ranks() == {"a": 1.5, "b": 1.5}
    table = next(block for block in built(two()).blocks if isinstance(block, Table))
    best = max("ab", key=lambda name: scores.aggregate(expected[name]).iqm)
    assert table.rows[0].cells[0].text == best
    assert [column.title for column in table.columns] == [
        "variant",
        "score, IQM",
        "mean rank",
        "fashion-mnist",
        "mnist",
        "worst data",
        "improvability",
    ]


def test_improvability_and_win_rates_are_in_the_tables() -> None:
    """The entry a wins all pairs on fashion-mnist and loses all pairs on mnist."""
    (field,) = dataset_groups(view(two()))
    table, wins = (block for block in built(two()).blocks if isinstance(block, Table))
    losses = scores.improvability(field.scores)
    assert {row.cells[0].text: row.cells[-1].detail for row in table.rows} == {"a": "mnist", "b": "fashion-mnist"}
    assert all(loss > 0 for loss, _ in losses.values())
    assert [[cell.text for cell in row.cells[1:]] for row in wins.rows] == [["–", "50 %"], ["50 %", "–"]]


def test_a_failed_run_counts_as_untrained() -> None:
    found = two()
    found.runs.loc[(found.runs["variant"] == "b") & (found.runs["dataset"] == "mnist") & (found.runs["seed"] == 0), "status"] = "diverged"
    (field,) = dataset_groups(view(found))
    assert field.scores["b"]["mnist"].count(0.0) == 1


def test_the_profile_is_the_share_of_runs_above() -> None:
    (field,) = dataset_groups(view(two()))
    data = profiles_data(field.scores)
    for name in "ab":
        own = data[data["entry"] == name]
        parts = field.scores[name].values()
        for level, share in zip(own["level"], own["share"], strict=True):
            assert share == pytest.approx(sum(sum(score > level for score in part) / len(part) for part in parts) / 2)
    assert any(isinstance(block, Figure) for block in built(two()).blocks)


@pytest.mark.parametrize(
    "found",
    [
        lambda: results(on("fashion-mnist", ONE)),
        lambda: results([*on("fashion-mnist", ONE), *on("mnist", {"d": (1.0, 2.0, 3.0)})]),
        lambda: results([*on("fashion-mnist", ONE), *on("mnist", TWO, track="controlled")]),
        lambda: results([*synthetic_runs(ONE, dataset="fashion-mnist"), *on("mnist", TWO)]),
    ],
)
def test_no_scores_without_anything_to_average(found: Any) -> None:
    assert build(view(found())) is None


def test_with_one_data_set_its_absence_is_not_named() -> None:
    assert "Over all data" not in whole(results(on("fashion-mnist", ONE)), title="t").left_out


@pytest.mark.slow
def test_one_seed_and_hostile_names_are_shown() -> None:
    name = "<script>alert(1)</script>"
    found = results([*on("fashion-mnist", {name: (30.0,), "b": (math.nan,)}), *on("mnist", {name: (20.0,), "b": (25.0,)})])
    page = html(whole(found, title="t"))
    assert "<script>alert" not in page
    ((lead, *_),) = [section.blocks for section in whole(two(), title="t").sections if section.id == "across"]
    assert isinstance(lead, Text)
    assert "fashion-mnist and mnist" in lead.text
