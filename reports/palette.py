"""Palette of a report: one colour, dash and marker for each entry, the same in every plot, table and legend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from bench.core.colours import COLOURS, GREY, colours_of

# Ink and paper are variables in pictures, with other values in the dark colour scheme: `reports.plots.svg`.
INK = "#24292f"
FAINT = GREY
RULE = "#d8dee4"
PAPER = "#ffffff"
DARK = {INK: "#e6edf3", FAINT: "#7d8590", RULE: "#30363d", PAPER: "#13171d"}

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
        name: Style(colour=colour, dash=DASHES[(i + i // len(COLOURS)) % len(DASHES)], marker=MARKERS[i % len(MARKERS)])
        for i, (name, colour) in enumerate(colours_of(set(names) - set(REFERENCES)).items())
    }
    return styles | {name: Style(colour=FAINT, dash=(2, 2)) for name in REFERENCES}
