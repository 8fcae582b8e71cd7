"""Losses, what D believes of real and generated images, its logits, the size of the gradients, and what objectives log of their own."""

from __future__ import annotations

from collections.abc import Iterator

from reports.cohort import Cohort
from reports.document import Block, Gallery, Heading, Section, Tile
from reports.plots import base
from reports.plots.training import GRADIENTS, LOGITS, LOSSES, PANEL_MARKS, PROBABILITIES, Panel, alt, draw, own_panels, training_data
from reports.sections.common import by_cohort
from reports.view import View

TITLE = "Training curves"
GALLERIES = (
    (
        "losses",
        "Losses",
        [LOSSES],
        "Means since the mark before. Losses of different objectives are on different scales and do not rank variants.",
    ),
    (
        "beliefs",
        "What the discriminator believes",
        [PROBABILITIES],
        "The probability of being real that D gives to real and to generated {things}; at 0.5 it cannot tell. "
        "Only where an objective's logits are log-odds.",
    ),
    (
        "logits",
        "Logits",
        [LOGITS],
        "What D puts out for real and for generated {things} before any squashing, the mean over the batches since the mark before: log-odds where there are "
        "beliefs above, else the value that a critic or a regression gives, whose zero means nothing of itself. How far apart the two are is how well D tells them apart.",
    ),
    (
        "gradients",
        "Size of the gradients",
        [GRADIENTS],
        "The Euclidean norm of the gradient of the loss by all weights of D and of G, of one batch: that of the last update before a mark, before the optimiser "
        "rescales it. On a log scale where all are positive. No unit, and no scale that variants share: near 0 a network has stopped learning.",
    ),
)
MOST_OWN = 24  # numbers
OWN = (
    "What an objective logs of its own, by its name in MLflow, the mean since the mark before: penalties before their factors, errors of reconstruction, bounds, "
    "a measure of convergence. Each is on its own scale; the glossary has those that come with ganbench."
)
LINES = " Thick: the mean over seeds, where every seed has a value; thin: "


def build(view: View) -> Section | None:
    """The galleries of every cohort; None where nothing was logged."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="training", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    blocks: list[Block] = []
    panels_of_own = own_panels(view.results.curves)
    left_out = f" The first {MOST_OWN} by name, of {len(panels_of_own)}." if len(panels_of_own) > MOST_OWN else ""
    own = ("own", "Objectives' own numbers", panels_of_own[:MOST_OWN], OWN + left_out)
    order = [entry.name for entry in cohort.entries]
    lines = LINES + base.seeds_drawn(cohort.runs, "every seed", "the first {most} seeds") + f", at no more than {PANEL_MARKS} of the marks."
    for name, title, panels, caption in (*GALLERIES, own):
        tiles = sorted((tile for panel in panels for tile in _tiles(cohort, view, panel)), key=lambda tile: order.index(tile.title))
        if tiles:
            blocks += [
                Heading(text=title),
                Gallery(
                    id=f"{name}-{cohort.index}", caption=caption.format(things=cohort.things) + lines, tiles=tuple(tiles), tile_width=270
                ),
            ]
    return blocks


def _tiles(cohort: Cohort, view: View, panel: Panel) -> Iterator[Tile]:
    data = training_data(view.results.curves, cohort.runs, panel, cohort.length)
    for entry in cohort.entries:
        style, own = view.palette[entry.name], data[data["entry"] == entry.name]
        if own.empty:
            continue
        with base.axes(3.4, 2.3) as ax:
            draw(ax, own, style, panel)
            yield Tile(title=entry.name, colour=style.colour, picture=base.picture(ax, alt(entry.name, own, panel)))
