"""Samples to look at: the final grid of every entry side by side, then the same noise through training."""

from __future__ import annotations

import math
import re

from bench.results import FINAL_GRID, GRIDS
from reports.cohort import Cohort, Entry, numbers
from reports.document import Block, Filmstrip, Gallery, Heading, Section, Strip, Tile
from reports.format import number
from reports.plots.base import thousands
from reports.sections.common import by_cohort, first_seed_with, png
from reports.view import View

TITLE = "Samples"
MARK = re.compile(r"step_(\d+)\.png$")


def build(view: View) -> Section | None:
    """The wall and the filmstrip of every cohort; None where no run kept a grid."""
    blocks = by_cohort(view, lambda cohort: [*_wall(cohort, view), *_through_training(cohort, view)])
    return Section(id="samples", title=TITLE, blocks=blocks) if blocks else None


def _wall(cohort: Cohort, view: View) -> list[Block]:
    tiles = [tile for entry in cohort.entries if (tile := _tile(entry, cohort, view)) is not None]
    for _, row in cohort.references.iterrows():
        picture = png(view.results, row["run_id"], FINAL_GRID, f"{cohort.things} of the reference {row['variant']}")
        if picture is not None:
            tiles.append(Tile(title=str(row["variant"]), picture=picture, detail="reference"))
    caption = f"After {cohort.budget}, not picked: the same noise seed for every entry, the first seed that has a {'picture' if cohort.points else 'grid'}."
    if cohort.points:
        caption += " Dots are generated points, circles hold what lies within 3 standard deviations of a true centre."
    return [Gallery(id=f"wall-{cohort.index}", caption=caption, tiles=tuple(tiles), tile_width=240)] if tiles else []


def _tile(entry: Entry, cohort: Cohort, view: View) -> Tile | None:
    found = first_seed_with(view.results, entry, FINAL_GRID)
    if found is None:
        return None
    run_id, seed = found
    value = dict(zip(entry.runs["run_id"], numbers(entry.runs, cohort.headline.key), strict=True))[run_id]
    picture = png(view.results, run_id, FINAL_GRID, f"generated {cohort.things} of {entry.name}, seed {seed}")
    detail = f"seed {seed}" + ("" if math.isnan(value) else f", {cohort.headline.title} {number(value)}")
    return None if picture is None else Tile(title=entry.name, colour=view.palette[entry.name].colour, picture=picture, detail=detail)


def _through_training(cohort: Cohort, view: View) -> list[Block]:
    """A line for each entry; its k-th picture stands in the k-th column, and the final one in the last.

    Entries reach a mark at slightly different numbers of images (a round is k batches), so a column is headed by their range.
    """
    marks = {entry.name: kept for entry in cohort.entries if (kept := _marks(entry, view)) is not None}
    if not marks:
        return []
    depth = max(len(found) for _, found in marks.values())
    reached = [[found[i][0] for _, found in marks.values() if i < len(found)] for i in range(depth)]
    strips = []
    for name, (run_id, found) in marks.items():
        pictures = [png(view.results, run_id, path, f"{name} after {images:,} {cohort.things}") for images, path in found]
        last = png(view.results, run_id, FINAL_GRID, f"{name} at its end")
        if any(picture is not None for picture in (*pictures, last)):
            frames = (*pictures, *[None] * (depth - len(found)), last)
            strips.append(Strip(title=name, colour=view.palette[name].colour, pictures=frames))
    if not strips:
        return []
    columns = (*(_range(images) for images in reached), "end")
    caption = f"The same noise at each mark, in real {cohort.things} shown to the discriminator; the first seed that has pictures."
    return [
        Heading(text="Through training"),
        Filmstrip(id=f"marks-{cohort.index}", caption=caption, columns=columns, strips=tuple(strips), tile_width=130),
    ]


def _marks(entry: Entry, view: View) -> tuple[str, list[tuple[int, str]]] | None:
    """The first run that has pictures of marks, and for each its images and path, in the order of training."""
    for run_id in map(str, entry.runs["run_id"]):
        found = sorted((int(match[1]), path) for path in view.results.names(run_id, GRIDS) if (match := MARK.search(path)))
        if found:
            return run_id, found
    return None


def _range(images: list[int]) -> str:
    """One number where all are within 2 % of each other, else both ends."""
    low, high = min(images), max(images)
    return thousands(low) if high <= 1.02 * low else f"{thousands(low)}–{thousands(high)}"
