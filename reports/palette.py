"""One colour, dash and marker for each entry, the same in every plot, table and legend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

# Ink and paper appear in pictures under these names and are swapped in the dark: `reports.plots.base`.
INK = "#24292f"
FAINT = "#8b949e"
RULE = "#d8dee4"
PAPER = "#ffffff"
DARK = {INK: "#e6edf3", FAINT: "#7d8590", RULE: "#30363d", PAPER: "#13171d"}

# Found by a search that maximises the smallest OKLab distance between any two, as seen normally and, weighted 2.4 times, with
# deuteranopia and protanopia (Machado et al. 2009), among colours that stand out from both papers. The first ones differ most.
COLOURS = (
    "#2662fe", "#f86111", "#b31e7d", "#159cb7", "#2b7440", "#fa4dc7", "#a74a04", "#b3788f", "#8c26d2", "#9583fa", "#4c6291", "#65a64d",
)  # fmt: skip
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.6), (1.2, 1.4), (6, 1.6, 1.2, 1.6))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
REFERENCES = ("real", "untrained")


@dataclass(frozen=True, kw_only=True)
class Style:
    """How an entry is drawn. An empty dash is a solid line."""

    colour: str
    dash: tuple[float, ...] = ()
    marker: str = "o"


Palette: TypeAlias = dict[str, Style]


def palette(names: Iterable[str]) -> Palette:
    """Styles by the order of names, so that a report of the same entries always looks the same. Reference rows are grey."""
    styles = {
        name: Style(colour=COLOURS[i % len(COLOURS)], dash=DASHES[(i + i // len(COLOURS)) % len(DASHES)], marker=MARKERS[i % len(MARKERS)])
        for i, name in enumerate(sorted(set(names) - set(REFERENCES)))
    }
    return styles | {name: Style(colour=FAINT, dash=(2, 2)) for name in REFERENCES}
