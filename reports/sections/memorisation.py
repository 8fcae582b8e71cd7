"""Memorisation: whether generated images are copies of training images, in figures and side by side."""

from __future__ import annotations

from bench.cards import measured
from bench.results import NEAREST
from reports.cohort import Cohort
from reports.document import Block, Gallery, Heading, Section, Tile
from reports.sections.common import by_cohort, first_seed_with, png
from reports.sections.figures import has_errors, known, median_cell, metric_table
from reports.view import View

TITLE = "Memorisation"
READING = (
    "Authenticity: share of generated images that are no nearer to a training image than training images are to each other; 0 is copying, "
    "a half to two thirds is what unseen real images give. C_T: about 0 is right, far below 0 is copying, far above 0 is images unlike the data. "
    "The row real is of training images, so it shows what pure copying gives. "
    "The error of C_T is overstated: half-samples leave many of its cells too small."
)


def build(view: View) -> Section | None:
    """A table and the nearest training images of every cohort; None where neither was recorded."""
    blocks = by_cohort(view, lambda cohort: [*_table(cohort, view), *_nearest(cohort, view)])
    return Section(id="memorisation", title=TITLE, blocks=blocks) if blocks else None


def _table(cohort: Cohort, view: View) -> list[Block]:
    keys = [key for key in measured() if key.startswith("memorisation/") and known(cohort, key)]
    if not keys:
        return []
    errors = " ± is the standard error of measuring one run." if has_errors(cohort, keys) else ""
    caption = f"{cohort.setting}. Medians over finished runs.{errors} {READING}"
    return [metric_table(cohort, view.palette, keys, median_cell, caption=caption)]


def _nearest(cohort: Cohort, view: View) -> list[Block]:
    tiles = []
    for entry in cohort.entries:
        found = first_seed_with(view.results, entry, NEAREST)
        picture = None if found is None else png(view.results, found[0], NEAREST, f"generated and nearest training images of {entry.name}")
        if found is not None and picture is not None:
            tiles.append(Tile(title=entry.name, colour=view.palette[entry.name].colour, picture=picture, detail=f"seed {found[1]}"))
    caption = (
        "The generated images that are closest to a training image, the closest first; right of each stands that training image. Pairs that "
        "differ in nothing are copies; likeness alone is not, where real images are alike too."
    )
    gallery = Gallery(id=f"nearest-{cohort.index}", caption=caption, tiles=tuple(tiles), tile_width=270)
    return [Heading(text="Closest to a training image"), gallery] if tiles else []
