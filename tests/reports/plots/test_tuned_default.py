"""Plot of tuned against default recipes."""

from __future__ import annotations

import numpy as np
from synthetic_results import FID

from bench.metrics.columns import card
from reports.palette import palette
from reports.plots import base
from reports.plots.tuned_default import alt, draw, tuned_default_data
from reports.stats import Sample

SAMPLES = {"b": {"default": Sample(values=(40.0, 42.0)), "tuned": Sample(values=(30.0,), failures=1)}}


def test_every_seed_is_a_dot_and_a_failure_a_cross() -> None:
    data = tuned_default_data(SAMPLES)
    assert list(data["recipe"]) == ["default", "default", "tuned", "tuned"]
    assert list(data["value"].fillna(-1)) == [40.0, 42.0, 30.0, -1.0]
    with base.axes(6, 2) as ax:
        draw(ax, data, palette(["b"]), card(FID))
        places = [
            np.asarray(dots.get_offsets()).tolist()
            for dots in ax.collections
            if len(np.asarray(dots.get_offsets())) and not hasattr(dots, "get_segments")
        ]
        ticks = [lines.get_segments()[0][0][0] for lines in ax.collections if hasattr(lines, "get_segments")]
    assert places == [[[40.0, -0.17], [42.0, -0.17]], [[30.0, 0.17]], [[0.985, 0.17]]]
    assert ticks == [41.0]  # a mean with a failure is infinite and has no tick
    assert alt(data, card(FID)) == "Mean classifier-FID on fresh seeds: b default 41, tuned diverged"


def test_nothing_gives_no_rows() -> None:
    assert tuned_default_data({}).empty
