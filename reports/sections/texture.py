"""Section on texture: the power of generated images at each radial frequency against that of real ones, in numbers and plots."""

from __future__ import annotations

import pandas as pd

from bench.metrics.columns import SPECTRUM
from bench.tracking.results import EVIDENCE
from reports.cohort import Cohort, CohortEntry
from reports.document import Block, Gallery, Section, Tile
from reports.plots import base
from reports.plots.power_spectrum import alt, draw, limits, power_spectrum_data
from reports.sections.common import by_cohort
from reports.sections.metric_tables import has_column, mean_cell, metric_table
from reports.view import View

TITLE = "Texture"
KEYS = (SPECTRUM, f"{SPECTRUM}_high")
READING = (
    "Power in grey levels squared at each radial frequency. Black line: real test images; thick line: mean over seeds; thin line: one seed. "
    "Above the line at the right end is noise or a pattern of up-sampling, below it is blur. A peak at one frequency is a repeated pattern."
)


def build(view: View) -> Section | None:
    """Return for each cohort a table and the spectrum of each entry, or None if no run recorded one."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="texture", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    keys = [key for key in KEYS if has_column(cohort, key)]
    caption = f"{cohort.setting}. Mean over finished runs, with the smallest and the largest. The row real is the lower bound."
    table = [metric_table(cohort, view.palette, keys, mean_cell, caption=caption)] if keys else []
    return [*table, *_pictures(cohort, view)]


def _pictures(cohort: Cohort, view: View) -> list[Block]:
    found = {entry.name: data for entry in cohort.entries if not (data := _spectra(entry, view)).empty}
    if not found:
        return []
    ends, tiles = limits(list(found.values())), []
    for name, data in found.items():
        style = view.palette[name]
        with base.axes(3.4, 2.2) as ax:
            draw(ax, data, style, ends)
            tiles.append(Tile(title=name, colour=style.colour, picture=base.picture(ax, alt(name, data))))
    return [Gallery(id=f"texture-{cohort.index}", caption=READING, tiles=tuple(tiles), tile_width=270)]


def _spectra(entry: CohortEntry, view: View) -> pd.DataFrame:
    pairs = zip(entry.runs["seed"], entry.runs["run_id"], strict=True)
    return power_spectrum_data({int(seed): view.results.read_json(str(run_id), EVIDENCE) or {} for seed, run_id in pairs})
