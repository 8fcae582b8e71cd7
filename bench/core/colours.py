"""Colours of variants, the same in reports and in MLflow's pages. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

# Result of a search that maximises the smallest OKLab distance between two colours, among colours with enough contrast to light and dark paper.
# It uses distances with normal vision and, weighted 2.4 times, with deuteranopia and protanopia (Machado et al. 2009).
# The first colours differ most.
COLOURS = (
    "#2662fe", "#f86111", "#b31e7d", "#159cb7", "#2b7440", "#fa4dc7", "#a74a04", "#b3788f", "#8c26d2", "#9583fa", "#4c6291", "#65a64d",
)  # fmt: skip
GREY = "#8b949e"  # of reference rows


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name, by the order of names, so that the same names have the same colours. Repeats after 12 names."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(sorted(set(names)))}
