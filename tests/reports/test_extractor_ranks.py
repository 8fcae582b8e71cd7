"""The ranks of the entries by each metric, and the entries with very different ranks."""

from __future__ import annotations

from dataclasses import replace

from synthetic_results import FID, PIXELS, SyntheticRun, results, synthetic_runs

from reports.extractor_ranks import contested, ranked, ranks_data
from reports.view import view

MEDIANS = {"b": {FID: 20.0, PIXELS: 1.0}, "a": {FID: 10.0, PIXELS: 3.0}, "c": {FID: 30.0, PIXELS: 1.0}}


def test_data_by_hand() -> None:
    rows = list(ranks_data(MEDIANS, (FID, PIXELS)).itertuples(index=False, name=None))
    assert rows == [
        ("a", FID, 10.0, 1.0, 1),
        ("b", FID, 20.0, 2.0, 2),
        ("c", FID, 30.0, 3.0, 3),
        ("b", PIXELS, 1.0, 1.5, 1),  # equal values have their mean rank, at positions 1 and 2
        ("c", PIXELS, 1.0, 1.5, 2),
        ("a", PIXELS, 3.0, 3.0, 3),
    ]


def test_where_higher_is_better_the_highest_is_first() -> None:
    data = ranks_data(
        {"a": {"quality/precision_classifier": 0.2}, "b": {"quality/precision_classifier": 0.9}}, ("quality/precision_classifier",)
    )
    assert list(zip(data["entry"], data["rank"], strict=True)) == [("b", 1.0), ("a", 2.0)]


def test_three_entries_need_two_places() -> None:
    (cohort,) = view(results(runs_with("bac"))).cohorts
    assert contested(ranked(cohort)) == []
    (cohort,) = view(results(runs_with("cba"))).cohorts
    assert contested(ranked(cohort)) == ["a", "c"]


def runs_with(order: str) -> list[SyntheticRun]:
    """Return runs of a, b and c, ranked in this order by classifier-FID, whose second metric ranks them in `order`."""
    values = {name: {PIXELS: 1.0 + i} for i, name in enumerate(order)}
    runs = synthetic_runs({"a": (10.0, 11.0), "b": (20.0, 21.0), "c": (30.0, 31.0)})
    return [replace(run, metrics=values[run.variant]) for run in runs]
