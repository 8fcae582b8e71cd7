"""Plot of quality against cost: data, front and alternative text."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_results import FID, SyntheticRun, results

from bench.metrics.columns import card
from reports.plots import base
from reports.plots.quality_cost import MEDIAN, SEED, alt, draw, front, quality_cost_data
from reports.view import view

SECONDS = "perf/train_seconds"


def runs() -> list[SyntheticRun]:
    """Return a fast bad entry, a slow good one, and one that is slower and worse than the latter."""
    values = {"fast": (5.0, 50.0), "good": (20.0, 10.0), "beaten": (30.0, 20.0)}
    return [
        SyntheticRun(variant=name, seed=seed, fid=fid + seed, metrics={SECONDS: seconds + seed})
        for name, (seconds, fid) in values.items()
        for seed in range(3)
    ]


@pytest.mark.parametrize(
    ("direction_key", "expected"),
    [(FID, ["a", "b", "tie"]), ("quality/recall_classifier", ["a", "worse"])],
)
def test_the_front_by_hand(direction_key: str, expected: list[str]) -> None:
    points = [("worse", 4.0, 60.0), ("b", 2.0, 40.0), ("a", 1.0, 50.0), ("tie", 2.0, 40.0), ("late", 3.0, 40.0)]
    assert front(points, card(direction_key)) == expected


def test_every_finished_run_is_a_dot_and_the_medians_are_those_of_the_summary() -> None:
    failed = SyntheticRun(variant="good", seed=3, status="diverged", metrics={SECONDS: 1.0})
    (cohort,) = view(results([*runs(), failed])).cohorts
    data = quality_cost_data(cohort.entries, cohort.headline)
    assert (data["kind"] == SEED).sum() == 9
    medians = data[data["kind"] == MEDIAN].set_index("entry")
    assert dict(medians["seconds"]) == {"fast": 6.0, "good": 21.0, "beaten": 31.0}
    assert dict(medians["value"]) == {"fast": 51.0, "good": 11.5, "beaten": 21.0}  # the failed run counts as infinitely bad
    assert dict(medians["front"]) == {"fast": True, "good": True, "beaten": False}
    words = alt(data, cohort.headline)
    assert "front: fast 51.0 at 6.00 s, good 11.5 at 21.0 s; not on it: beaten 21.0 at 31.0 s" in words


def test_an_entry_with_an_infinite_median_is_not_on_the_front() -> None:
    lost = [SyntheticRun(variant="lost", seed=0, fid=1.0, metrics={SECONDS: 1.0})]
    lost += [SyntheticRun(variant="lost", seed=seed, status="failed") for seed in (1, 2)]
    (cohort,) = view(results([*runs(), *lost])).cohorts
    data = quality_cost_data(cohort.entries, cohort.headline)
    assert list(data[data["entry"] == "lost"]["kind"]) == [SEED]
    assert not data[data["entry"] == "lost"]["front"].any()


def test_runs_without_a_time_are_left_out() -> None:
    timeless = [SyntheticRun(variant="t", seed=seed, fid=5.0, metrics={SECONDS: float("nan") if seed else 0.0}) for seed in range(3)]
    (cohort,) = view(results([*runs(), *timeless])).cohorts
    assert "t" not in set(quality_cost_data(cohort.entries, cohort.headline)["entry"])


def test_the_drawn_points_and_line() -> None:
    prepared = view(results(runs()))
    (cohort,) = prepared.cohorts
    data = quality_cost_data(cohort.entries, cohort.headline)
    with base.axes(6, 4) as ax:
        draw(ax, data, prepared.palette, cohort.headline)
        (line,) = ax.lines
        assert np.asarray(line.get_xydata()).tolist() == [[6.0, 51.0], [21.0, 11.0]]
        svg = base.picture(ax, "alt").data.decode()
    assert {f'data-entry="{name}"' in svg for name in ("fast", "good", "beaten")} == {True}
