"""The drawn ranks and values."""

from __future__ import annotations

import numpy as np
from synthetic_results import FID, PIXELS

from reports.extractor_ranks import ranks_data
from reports.palette import palette
from reports.plots import base
from reports.plots.ranks import alt, draw

MEDIANS = {"b": {FID: 20.0, PIXELS: 1.0}, "a": {FID: 10.0, PIXELS: 3.0}, "c": {FID: 30.0, PIXELS: 1.0}}


def test_what_is_drawn_is_the_data_and_the_marked_is_thick() -> None:
    styles = palette(MEDIANS)
    data = ranks_data(MEDIANS, (FID, PIXELS))
    with base.axes(6, 3) as ax:
        draw(ax, data, styles, ["a"])
        lines = {
            line.get_color(): (list(np.asarray(line.get_ydata())), line.get_linewidth() > 2)
            for line in ax.lines
            if line.get_color() in {style.colour for style in styles.values()} and len(set(np.asarray(line.get_xdata()))) == 2
        }
        words = {text.get_text() for text in ax.texts}
        heads = [label.get_text() for label in ax.get_xticklabels()]
    assert lines == {styles["a"].colour: ([1, 3], True), styles["b"].colour: ([2, 1], False), styles["c"].colour: ([3, 2], False)}
    assert words == {"a  10.0", "b  20.0", "c  30.0", "1.00  b", "1.00  c", "3.00  a"}
    assert heads == ["classifier-FID ↓", "pixel Fréchet ↓"]


def test_a_column_between_two_others_has_its_values() -> None:
    three = {name: {**found, "quality/fid_inception": 50.0 + i} for i, (name, found) in enumerate(MEDIANS.items())}
    with base.axes(6, 3) as ax:
        draw(ax, ranks_data(three, (FID, PIXELS, "quality/fid_inception")), palette(three), [])
        words = [text.get_text() for text in ax.texts]
    assert {"1.00", "3.00"} <= set(words)
    assert len(words) == 9


def test_the_words_name_the_orders() -> None:
    assert alt(ranks_data(MEDIANS, (FID, PIXELS))) == "Best first by classifier-FID: a, b, c; by pixel Fréchet: b, c, a"
