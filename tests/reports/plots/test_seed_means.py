"""Means over seeds: their points, positions and values."""

from __future__ import annotations

import pandas as pd

from reports.budget import RunBudget
from reports.plots.seed_means import MEAN, with_means

RUNS = pd.DataFrame({"entry": ["a", "a"], "seed": [0, 1]})
IMAGES = RunBudget(unit="images", amount=100)
SECONDS = RunBudget(unit="train_seconds", amount=10.0)


def means(points: list[tuple[int, float, float, float]], length: RunBudget) -> list[tuple[float, float, float]]:
    """Return images, seconds and value of each mean of the points (seed, images, seconds, value) of one entry."""
    frame = pd.DataFrame(points, columns=["seed", "images", "seconds", "value"]).assign(entry="a")
    found = with_means(frame, RUNS, length)
    assert len(found) - len(frame) == (found["line"] == MEAN).sum()
    own = found[found["line"] == MEAN]
    assert set(own["seed"]) <= {-1}
    return list(own[["images", "seconds", "value"]].itertuples(index=False, name=None))


def test_at_equal_images() -> None:
    points = [(0, 50, 1.0, 4.0), (0, 100, 2.0, 2.0), (1, 50, 3.0, 8.0), (1, 100, 6.0, 4.0)]
    assert means(points, IMAGES) == [(50.0, 2.0, 6.0), (100.0, 4.0, 3.0)]


def test_not_where_a_seed_is_missing() -> None:
    assert means([(0, 50, 1.0, 4.0), (0, 100, 2.0, 2.0), (1, 50, 3.0, 8.0)], IMAGES) == [(50.0, 2.0, 6.0)]
    assert means([(0, 50, 1.0, 4.0), (0, 100, 2.0, 2.0)], IMAGES) == []


def test_of_a_budget_in_seconds_the_marks_are_hundredths_of_it() -> None:
    points = [(0, 480, 5.01, 4.0), (0, 960, 10.02, 2.0), (1, 700, 5.0, 8.0), (1, 1500, 10.3, 4.0)]
    assert means(points, SECONDS) == [(590.0, 5.005, 6.0), (1230.0, 10.16, 3.0)]
    assert means(points, IMAGES) == []


def test_a_seed_that_skipped_a_mark_has_no_mean_there_and_the_next_one_is_right() -> None:
    points = [(0, 10, 0.1, 1.0), (0, 20, 0.2, 3.0), (0, 30, 0.3, 5.0), (1, 11, 0.1, 3.0), (1, 33, 0.3, 9.0)]
    assert [value for _, _, value in means(points, SECONDS)] == [2.0, 7.0]
    assert len(means(points, SECONDS)) == 2


def test_each_curve_has_its_own() -> None:
    frame = pd.DataFrame(
        [("a", key, seed, 50, 1.0, value + seed) for key, value in (("x", 1.0), ("y", 10.0)) for seed in (0, 1)],
        columns=["entry", "key", "seed", "images", "seconds", "value"],
    )
    found = with_means(frame, RUNS, IMAGES, by=("entry", "key"))
    assert dict(found[found["line"] == MEAN].set_index("key")["value"]) == {"x": 1.5, "y": 10.5}
