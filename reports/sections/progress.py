"""Section on the headline metric through training: all entries against images and against seconds, and the time to a target."""

from __future__ import annotations

import math

import pandas as pd

from reports.cohort import Cohort, numbers, text
from reports.document import Block, Figure, Section
from reports.format import join_words, number
from reports.plots import base, headline_curve
from reports.plots.headline_curve import Against
from reports.sections import time_to_target
from reports.sections.common import by_cohort
from reports.view import View

TITLE = "Progress"
MOST = 24  # entries: more lines cannot be distinguished


def build(view: View) -> Section | None:
    """Return for each cohort a plot against images, one against seconds, and the time to a target, or None without evaluation points."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="progress", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    names = [entry.name for entry in cohort.entries[:MOST]]
    runs = cohort.runs[cohort.runs["entry"].isin(names)]
    data = headline_curve.headline_curve_data(view.results.curves, runs, cohort.headline.key, cohort.length)
    if data.empty:
        return []
    found: list[Block] = [_figure(cohort, view, data, "images")]
    if data["seconds"].nunique() > 1:
        found.append(_figure(cohort, view, data, "seconds"))
    return [*found, *time_to_target.blocks(cohort, view)]


def _figure(cohort: Cohort, view: View, data: pd.DataFrame, against: Against) -> Figure:
    references = dict(zip(cohort.references["variant"], numbers(cohort.references, cohort.headline.key), strict=True))
    levels = {name: value for name, value in references.items() if name == "untrained" and math.isfinite(value)}
    with base.axes(9.2, max(4.6, 1.0 + 0.2 * min(len(cohort.entries), MOST))) as ax:
        headline_curve.draw(ax, data, view.palette, cohort.headline, levels, cohort.things, against)
        picture = base.picture(ax, headline_curve.alt(data, cohort.headline, against))
    name = "progress" if against == "images" else "progress-seconds"
    return Figure(id=f"{name}-{cohort.index}", caption=_caption(cohort, references, against), picture=picture)


def _caption(cohort: Cohort, references: dict[str, float], against: Against) -> str:
    thin = base.seeds_drawn(cohort.runs, "every seed", "the first {most} seeds of each")
    few = f" The {MOST} entries with the best medians, of {len(cohort.entries)}." if len(cohort.entries) > MOST else ""
    if against == "seconds":
        devices = sorted({text(device) for device in cohort.runs["device"] if text(device)})
        caption = (
            f"The same evaluation points against seconds of training, without evaluation. Thin: {thin}; thick: mean over all seeds, at the mean of their seconds. "
            "Times depend on the machine of the runs, and runs that share a machine slow each other down."
        )
        return (
            caption
            + few
            + (f" These runs used {join_words(devices)}; seconds of different devices are not comparable." if len(devices) > 1 else "")
        )
    caption = (
        f"{cohort.headline.title} at the evaluation points. Thin: {thin}; thick: mean over all seeds, only where every seed has a value."
    )
    real = references.get("real", math.nan)
    return caption + few + (f" Real {cohort.things}: {number(real)}." if math.isfinite(real) else "")
