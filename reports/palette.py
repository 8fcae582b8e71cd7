"""Palette of a report: one colour, dash and marker for each entry, the same in every plot, table and legend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

# Ink and paper are variables in pictures, with other values in the dark colour scheme: `reports.plots.svg`.
INK = "#24292f"
FAINT = "#8b949e"
RULE = "#d8dee4"
PAPER = "#ffffff"
DARK = {INK: "#e6edf3", FAINT: "#7d8590", RULE: "#30363d", PAPER: "#13171d"}

# Result of a search that maximises the smallest OKLab distance between two colours, among colours with enough contrast to both papers.
# It uses distances with normal vision and, weighted 2.4 times, with deuteranopia and protanopia (Machado et al. 2009).
# The first colours differ most.
COLOURS = (
    "#2662fe", "#f86111", "#b31e7d", "#159cb7", "#2b7440", "#fa4dc7", "#a74a04", "#b3788f", "#8c26d2", "#9583fa", "#4c6291", "#65a64d",
)  # fmt: skip
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.6), (1.2, 1.4), (6, 1.6, 1.2, 1.6))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
REFERENCES = ("real", "untrained")


@dataclass(frozen=True, kw_only=True)
class Style:
    """The style of an entry. An empty dash is a solid line."""

    colour: str
    dash: tuple[float, ...] = ()
    marker: str = "o"


Palette: TypeAlias = dict[str, Style]


def palette(names: Iterable[str]) -> Palette:
    """Return styles by the order of names, so that reports on the same entries have the same styles. Reference rows are grey."""
    styles = {
        name: Style(colour=COLOURS[i % len(COLOURS)], dash=DASHES[(i + i // len(COLOURS)) % len(DASHES)], marker=MARKERS[i % len(MARKERS)])
        for i, name in enumerate(sorted(set(names) - set(REFERENCES)))
    }
    return styles | {name: Style(colour=FAINT, dash=(2, 2)) for name in REFERENCES}
