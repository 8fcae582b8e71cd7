"""The headline metric through training, all entries in one plot."""

from __future__ import annotations

import math

from reports.cohort import Cohort, numbers
from reports.document import Block, Figure, Section
from reports.format import number
from reports.plots import base, headline_curve
from reports.sections.common import by_cohort
from reports.view import View

TITLE = "Progress"


def build(view: View) -> Section | None:
    """One plot a cohort; None where the metric was measured at no mark."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    return Section(id="progress", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    data = headline_curve.headline_curve_data(view.results.curves, cohort.runs, cohort.headline.key)
    if data.empty:
        return []
    references = dict(zip(cohort.references["variant"], numbers(cohort.references, cohort.headline.key), strict=True))
    levels = {name: value for name, value in references.items() if name == "untrained" and math.isfinite(value)}
    with base.axes(9.2, 4.6) as ax:
        headline_curve.draw(ax, data, view.palette, cohort.headline, levels, cohort.things)
        picture = base.picture(ax, headline_curve.alt(data, cohort.headline))
    caption = (
        f"{cohort.headline.title} at the marks of training: {base.seeds_drawn(cohort.runs, 'every seed', 'the first {most} seeds of each')} thin, "
        "the mean over all seeds thick (only where every seed has a value)."
    )
    if math.isfinite(references.get("real", math.nan)):
        caption += f" Real {cohort.things}: {number(references['real'])}."
    return [Figure(id=f"progress-{cohort.index}", caption=caption, picture=picture)]
