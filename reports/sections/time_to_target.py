"""Table of the time to a target: images and seconds to the first evaluation point (mark) at the middle entry's final value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.metrics.columns import Card
from bench.tracking.curves import curve
from reports.cohort import Cohort, CohortEntry
from reports.document import Block, Cell, Column, Heading, Row, Table
from reports.format import count, number
from reports.palette import Palette
from reports.scores import first_at
from reports.sections.common import name_cell
from reports.stats import FAILED
from reports.view import View

TITLE = "Time to target"
FEWEST_MARKS = 2  # evaluation points of a run: a run with only the final one has no time to measure
NEVER = "not reached"


@dataclass(frozen=True, kw_only=True)
class TargetTimes:
    """Record of the images and seconds at which the runs of an entry first reach the target, or infinity for a run that never reaches it."""

    images: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def runs(self) -> int:
        """The number of runs that reach the target."""
        return sum(math.isfinite(value) for value in self.images)


def blocks(cohort: Cohort, view: View) -> list[Block]:
    """Return the table. The list is empty for one entry, for a metric without a direction, or without evaluation points before the end."""
    marks = _marks(cohort, view)
    level = target(cohort)
    if level is None or not marks:
        return []
    found = {entry.name: reached(entry, marks, level, cohort.headline) for entry in cohort.entries}
    return [Heading(text=TITLE), _table(cohort, view.palette, found, level, [len(own) for own in marks.values()])]


def target(cohort: Cohort) -> float | None:
    """Return the middle one of the entries' medians, or the worse of the two for an even number. Without medians, return None.

    So half of the entries reach this value."""
    if cohort.headline.direction == "none" or len(cohort.entries) < 2:
        return None
    medians = [entry.summary(cohort.headline.key).median for entry in cohort.entries]
    ordered = sorted((value for value in medians if not math.isnan(value)), reverse=cohort.headline.direction == "higher")
    if len(ordered) < 2 or not math.isfinite(ordered[len(ordered) // 2]):
        return None
    return ordered[len(ordered) // 2]


def reached(entry: CohortEntry, marks: dict[str, pd.DataFrame], level: float, metric: Card) -> TargetTimes:
    """Return the times at which failed and finished runs first reach the target, without finished runs that lack measurements."""
    found: list[tuple[float, float]] = []
    for run_id, status in zip(entry.runs["run_id"], entry.runs["status"], strict=True):
        if status in FAILED:
            found.append((math.inf, math.inf))
        elif status == "finished" and run_id in marks:
            own = marks[run_id]
            images = first_at(list(zip(own["images"], own["value"], strict=True)), level, metric.direction)
            found.append((images, first_at(list(zip(own["seconds"], own["value"], strict=True)), level, metric.direction)))
    return TargetTimes(images=tuple(images for images, _ in found), seconds=tuple(seconds for _, seconds in found))


def _marks(cohort: Cohort, view: View) -> dict[str, pd.DataFrame]:
    """Return the headline metric at the evaluation points of each run, by run id. Runs that measured it only at their end have none."""
    points = curve(view.results.curves, (cohort.headline.key,))
    points = points[points["run_id"].isin(cohort.runs["run_id"]) & points["value"].notna()]
    return {str(run_id): own for run_id, own in points.groupby("run_id", sort=True) if len(own) >= FEWEST_MARKS}


def _table(cohort: Cohort, palette: Palette, found: dict[str, TargetTimes], level: float, marks: Sequence[int]) -> Table:
    titles = ("reached it", f"real {cohort.things}", "seconds")
    low, high = min(marks), max(marks)
    measured = f"{low}" if low == high else f"{low} to {high}"
    bound = "at least" if cohort.headline.direction == "higher" else "at most"
    return Table(
        columns=(Column(title="", align="left"), *(Column(title=title) for title in titles)),
        rows=tuple(Row(cells=(name_cell(name, palette), *_cells(own))) for name, own in found.items()),
        caption=(
            f"{cohort.setting}. The target is {cohort.headline.title} of {bound} {number(level)}: the middle one of the entries' medians (the worse of two for an even "
            "number). Half of the entries reach it. Medians over runs of the first evaluation point at the target; failed runs never reach it. "
            f"Runs have few evaluation points ({measured} each), so the times are upper bounds."
        ),
    )


def _cells(own: TargetTimes) -> tuple[Cell, ...]:
    if not own.images:
        return (Cell(text="no run measured", tone="muted"), Cell(text=""), Cell(text=""))
    medians = float(np.median(own.images)), float(np.median(own.seconds))
    texts = (count(medians[0]), number(medians[1]))
    cells = (
        Cell(text=words) if math.isfinite(value) else Cell(text=NEVER, tone="muted") for value, words in zip(medians, texts, strict=True)
    )
    return (Cell(text=f"{own.runs} of {len(own.images)}"), *cells)
