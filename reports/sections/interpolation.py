"""Latent interpolation: each row of a strip walks from one latent to another."""

from __future__ import annotations

from bench.results import INTERPOLATION
from reports.cohort import Cohort
from reports.document import Block, Gallery, Section, Tile
from reports.sections.common import by_cohort, first_seed_with, png
from reports.view import View

TITLE = "Interpolation"


def build(view: View) -> Section | None:
    """A strip for each entry; None where no run kept one."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="interpolation", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    tiles = []
    for entry in cohort.entries:
        found = first_seed_with(view.results, entry, INTERPOLATION)
        picture = None if found is None else png(view.results, found[0], INTERPOLATION, f"interpolations of {entry.name}")
        if found is not None and picture is not None:
            tiles.append(Tile(title=entry.name, colour=view.palette[entry.name].colour, picture=picture, detail=f"seed {found[1]}"))
    caption = "Each row goes from one latent to another in even steps. Smooth change without repeats speaks against memorised images."
    return [Gallery(id=f"interpolation-{cohort.index}", caption=caption, tiles=tuple(tiles), tile_width=270)] if tiles else []
