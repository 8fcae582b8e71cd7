"""Losses, and what D believes of real and generated images: a panel for each entry."""

from __future__ import annotations

from reports.cohort import Cohort
from reports.document import Block, Gallery, Heading, Section, Tile
from reports.plots import base
from reports.plots.training import LOSSES, PROBABILITIES, Pair, alt, draw, training_data
from reports.sections.common import by_cohort
from reports.view import View

TITLE = "Training curves"
PANELS = (
    ("losses", "Losses", LOSSES, "A line a seed. Losses of different objectives are on different scales and do not rank variants."),
    (
        "beliefs",
        "What the discriminator believes",
        PROBABILITIES,
        "The probability D gives to an image being real, for real and for generated ones, a line a seed; at 0.5 it cannot tell. "
        "Only where an objective's logits are log-odds.",
    ),
)


def build(view: View) -> Section | None:
    """Both galleries of every cohort; None where nothing was logged."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="training", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    blocks: list[Block] = []
    for name, title, pair, caption in PANELS:
        tiles = _tiles(cohort, view, pair)
        if tiles:
            lines = base.seeds_drawn(cohort.runs, "", " Of many seeds the first {most} are drawn.")
            blocks += [Heading(text=title), Gallery(id=f"{name}-{cohort.index}", caption=caption + lines, tiles=tiles, tile_width=270)]
    return blocks


def _tiles(cohort: Cohort, view: View, pair: Pair) -> tuple[Tile, ...]:
    data = training_data(view.results.curves, cohort.runs, pair)
    tiles = []
    for entry in cohort.entries:
        style, own = view.palette[entry.name], data[data["entry"] == entry.name]
        if own.empty:
            continue
        with base.axes(3.4, 2.3) as ax:
            draw(ax, own, style, pair)
            tiles.append(Tile(title=entry.name, colour=style.colour, picture=base.picture(ax, alt(entry.name, own, pair))))
    return tuple(tiles)
