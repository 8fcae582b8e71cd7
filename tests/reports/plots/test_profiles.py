"""The data of the score profiles, and the drawn values, colours and names."""

from __future__ import annotations

import numpy as np

from reports.palette import palette
from reports.plots import base
from reports.plots.profiles import draw, profiles_data

SCORES = {"b": {"x": (0.2, 0.4), "y": (0.6, 0.8)}, "a": {"x": (0.1, 0.1), "y": (0.9, 0.9)}}


def test_data_by_hand() -> None:
    data = profiles_data(SCORES)
    assert list(dict.fromkeys(data["entry"])) == ["b", "a"]
    for entry, level, share in (("b", 0.5, 0.5), ("b", 0.3, 0.75), ("a", 0.5, 0.5), ("a", 0.95, 0.0)):
        own = data[data["entry"] == entry]
        nearest = own.iloc[(own["level"] - level).abs().argmin()]
        assert nearest["share"] == share


def test_what_is_drawn_is_the_data_in_the_entrys_colour() -> None:
    styles, data = palette(SCORES), profiles_data(SCORES)
    with base.axes(6, 3) as ax:
        draw(ax, data, styles)
        lines = {
            (line.get_color(), tuple(np.asarray(line.get_xdata())), tuple(np.asarray(line.get_ydata())))
            for line in ax.lines
            if len(np.asarray(line.get_xdata()))
        }
        legend = ax.get_legend()
        assert legend is not None
        named = {
            text.get_text(): handle.get_color()  # type: ignore[union-attr]
            for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
        }
    expected = {(styles[str(name)].colour, tuple(own["level"]), tuple(own["share"])) for name, own in data.groupby("entry")}
    assert lines == expected
    assert named == {name: styles[name].colour for name in SCORES}
