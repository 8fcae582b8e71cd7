"""Section on training curves: losses, probabilities and logits of D, gradient norms, and the numbers that an objective logs itself."""

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
        "Each point is a mean since the previous logged point. Losses of different objectives have different scales and do not rank variants.",
    ),
    (
        "beliefs",
        "Probabilities of the discriminator",
        [PROBABILITIES],
        "The probability of being real that D assigns to real and to generated {things}; at 0.5 it cannot distinguish them. "
        "Only objectives whose logits are log-odds have this panel.",
    ),
    (
        "logits",
        "Logits",
        [LOGITS],
        "The output of D for real and for generated {things}, the mean over the batches since the previous logged point. They are log-odds for the variants with "
        "probabilities above. Otherwise they are the value of a critic or a regression, whose zero has no meaning. The distance of the two lines shows how well D distinguishes real and generated {things}.",
    ),
    (
        "gradients",
        "Gradient norms",
        [GRADIENTS],
        "The Euclidean norm of the loss gradient over all weights of D and of G, for one batch. It is from the last update before a logged point, before the optimiser "
        "rescales it. The scale is logarithmic if all values are positive. Norms of different variants are not comparable. Near 0, a network has stopped learning.",
    ),
)
MOST_OWN = 24  # numbers
OWN_TITLE = "Numbers of the objectives"
OWN = (
    "Numbers that an objective logs itself, by their names in MLflow, as means since the previous logged point. Examples are penalties before their factors, reconstruction errors, bounds and "
    "a convergence measure. Each has its own scale; the glossary defines the built-in ones."
)
LINES = " Thick: mean over seeds, where every seed has a value; thin: "


def build(view: View) -> Section | None:
    """Return the galleries of every cohort, or None if no run logged a curve."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="training", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    blocks: list[Block] = []
    panels_of_own = own_panels(view.results.curves)
    left_out = f" The first {MOST_OWN} by name, of {len(panels_of_own)}." if len(panels_of_own) > MOST_OWN else ""
    own = ("own", OWN_TITLE, panels_of_own[:MOST_OWN], OWN + left_out)
    order = [entry.name for entry in cohort.entries]
    lines = LINES + base.seeds_drawn(cohort.runs, "every seed", "the first {most} seeds") + f", at most {PANEL_MARKS} points of each."
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
