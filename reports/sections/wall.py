"""Samples to look at: the final grid of every entry side by side, then the same noise through training."""

from __future__ import annotations

import re

from bench.results import FINAL_GRID, GRIDS
from reports.document import Block, Filmstrip, Gallery, Heading, Section, Strip, Tile
from reports.format import number
from reports.plots.base import thousands
from reports.sections.common import any_of, by_cohort, first_seed_with, name_cell, png
from reports.view import Cohort, View, numbers

TITLE = "Samples"
MARK = re.compile(r"step_(\d+)\.png$")
MAX_MARKS = 5


def build(view: View) -> Section | None:
    """The wall and the filmstrip of every cohort; None where no run kept a grid."""
    blocks = by_cohort(view, lambda cohort: [*_wall(cohort, view), *_through_training(cohort, view)])
    return Section(id="samples", title=TITLE, blocks=blocks) if blocks else None


def _wall(cohort: Cohort, view: View) -> list[Block]:
    tiles = [tile for entry in cohort.entries if (tile := _tile(entry.name, cohort, view)) is not None]
    for _, row in cohort.references.iterrows():
        picture = png(view.results, row["run_id"], FINAL_GRID, f"images of the reference {row['variant']}")
        if picture is not None:
            tiles.append(Tile(title=str(row["variant"]), picture=picture, detail="reference"))
    caption = f"After {cohort.budget}, not picked: the same noise seed for every entry, the first seed that has a grid."
    return [Gallery(id=f"wall-{cohort.index}", caption=caption, tiles=tuple(tiles), tile_width=240)] if tiles else []


def _tile(name: str, cohort: Cohort, view: View) -> Tile | None:
    entry = next(entry for entry in cohort.entries if entry.name == name)
    found = first_seed_with(view.results, entry, FINAL_GRID)
    if found is None:
        return None
    run_id, seed = found
    value = dict(zip(entry.runs["run_id"], numbers(entry.runs, cohort.headline.key), strict=True))[run_id]
    picture = png(view.results, run_id, FINAL_GRID, f"64 generated images of {name}, seed {seed}")
    detail = f"seed {seed}, {cohort.headline.title} {number(value)}"
    return None if picture is None else Tile(title=name, colour=name_cell(name, view.palette).colour, picture=picture, detail=detail)


def _through_training(cohort: Cohort, view: View) -> list[Block]:
    """A line for each entry, a column for each mark; an entry that stopped early has gaps."""
    grids: dict[str, dict[int, tuple[str, str]]] = {}
    for entry in cohort.entries:
        for run_id in entry.runs["run_id"]:
            marks = {int(found[1]): (str(run_id), path) for path in view.results.names(run_id, GRIDS) if (found := MARK.search(path))}
            if marks:
                grids[entry.name] = marks
                break
    columns = _thinned(sorted({images for marks in grids.values() for images in marks}))
    strips = []
    for name, marks in grids.items():
        nearest = [min(marks, key=lambda images, column=column: abs(images - column)) for column in columns]  # type: ignore[misc]
        pictures = tuple(
            png(view.results, *marks[images], f"{name} after {images:,} images") if abs(images - column) <= 0.02 * columns[-1] else None
            for images, column in zip(nearest, columns, strict=True)
        )
        if any_of(pictures):
            strips.append(Strip(title=name, colour=view.palette[name].colour, pictures=pictures))
    if not strips:
        return []
    caption = "The same noise at each mark, in real images shown to the discriminator."
    titles = tuple(thousands(images) for images in columns)
    return [Heading(text="Through training"), Filmstrip(id=f"marks-{cohort.index}", caption=caption, columns=titles, strips=tuple(strips))]


def _thinned(marks: list[int]) -> list[int]:
    """At most `MAX_MARKS` of them, evenly, after those within 2 % of one another (k = 1 and k = 5 stop at different rounds) are one."""
    distinct: list[int] = []
    for images in marks:
        if not distinct or images - distinct[-1] > 0.02 * marks[-1]:
            distinct.append(images)
    if len(distinct) <= MAX_MARKS:
        return distinct
    return [distinct[round(i * (len(distinct) - 1) / (MAX_MARKS - 1))] for i in range(MAX_MARKS)]
