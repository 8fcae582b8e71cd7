"""Section on the share of each class among generated images, against the real shares."""

from __future__ import annotations

import pandas as pd

from bench.tracking.results import EVIDENCE
from reports.cohort import Cohort, CohortEntry
from reports.document import Block, Gallery, Section, Tile
from reports.plots import base
from reports.plots.class_shares import alt, class_shares_data, draw
from reports.sections.common import by_cohort
from reports.view import View

TITLE = "Classes"


def build(view: View) -> Section | None:
    """Return a histogram for each entry, or None if no run recorded shares."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="classes", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    found = {entry.name: data for entry in cohort.entries if not (data := _shares(entry, view)).empty}
    if not found:
        return []
    largest = max(float(data[["generated", "real"]].to_numpy().max()) for data in found.values())
    tiles = []
    for name, data in found.items():
        style = view.palette[name]
        with base.axes(3.4, 0.9 + 0.19 * data["position"].nunique()) as ax:
            draw(ax, data, style, largest)
            tiles.append(Tile(title=name, colour=style.colour, picture=base.picture(ax, alt(name, data))))
    caption = "The classifier gives the share of each class among generated images. Bar: mean over seeds. Dot: one seed. Tick: real images."
    return [Gallery(id=f"classes-{cohort.index}", caption=caption, tiles=tuple(tiles), tile_width=270)]


def _shares(entry: CohortEntry, view: View) -> pd.DataFrame:
    pairs = zip(entry.runs["seed"], entry.runs["run_id"], strict=True)
    return class_shares_data({int(seed): view.results.read_json(str(run_id), EVIDENCE) or {} for seed, run_id in pairs})
