"""Metrics as cells: medians with errors, means with ranges, collapse as a count."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from synthetic_results import FID, KL, SyntheticRun, points, results, synthetic_runs

from reports.cohort import Cohort
from reports.sections.metric_tables import collapse_cell, has_column, heading, mean_cell, median_cell, value_text
from reports.view import view


def only(runs: list[SyntheticRun]) -> Cohort:
    (cohort,) = view(results(runs)).cohorts
    return cohort


def with_metric(key: str, *values: float) -> Cohort:
    runs = synthetic_runs({"a": (1.0,) * len(values)})
    return only([replace(run, metrics={key: value}) for run, value in zip(runs, values, strict=True)])


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("modes/found", (8.0, 8.0), ("8", "")),
        ("modes/found", (7.0, 8.0), ("7.5", "7–8")),
        ("modes/found", (999.0, 1000.0), ("999.5", "999–1,000")),
        ("modes/high_quality", (0.95, 0.97), ("96.0 %", "95.0–97.0 %")),
        ("modes/ndb", (0.5, math.nan), ("0.500", "")),
        ("modes/ndb", (math.nan, math.nan), ("–", "")),
    ],
)
def test_means_with_their_range(key: str, values: tuple[float, ...], expected: tuple[str, str]) -> None:
    cell = mean_cell(with_metric(key, *values).entries[0], key)
    assert (cell.text, cell.detail) == expected


def test_medians_with_the_error_of_one_run() -> None:
    cell = median_cell(only(points({"c": (0.1, 0.2, 0.6)})).entries[0], KL)
    assert cell.text == "0.200"
    assert cell.detail == f"± {0.02 * math.sqrt((0.1**2 + 0.2**2 + 0.6**2) / 3):.2g}"


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.0, 0.0), ("0 of 2", "plain")), ((1.0, math.nan), ("1 of 1", "bad")), ((math.nan,), ("not judged", "muted"))],
)
def test_collapse_is_a_count_of_the_judged(values: tuple[float, ...], expected: tuple[str, str]) -> None:
    cell = collapse_cell(with_metric("modes/collapse", *values).entries[0])
    assert (cell.text, cell.tone) == expected


@pytest.mark.parametrize("status", ["failed", "running"])
def test_collapse_of_runs_that_did_not_finish_is_nothing(status: str) -> None:
    assert collapse_cell(only([SyntheticRun(variant="a", status=status)]).entries[0]).text == "–"


def test_a_column_needs_a_value_but_collapse_only_its_protocol() -> None:
    cohort = with_metric("modes/collapse", math.nan, math.nan)
    assert has_column(cohort, "modes/collapse")
    assert not has_column(with_metric("quality/recall_classifier", math.nan), "quality/recall_classifier")
    assert not has_column(only(points({"c": (0.1,)})), "modes/collapse")


def test_heads_and_values() -> None:
    assert heading(FID) == "classifier-FID\N{NO-BREAK SPACE}↓"
    assert (value_text("modes/found", 1000.0), value_text(FID, 1000.0), value_text(FID, 0.1)) == ("1,000", "1,000", "0.100")
