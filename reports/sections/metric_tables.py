"""Metrics as cells and tables: a row for each entry, a column for each metric, and the reference rows `real` and `untrained`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from bench.metrics.columns import GENERATOR_UPDATES, IMAGES_PER_SECOND, SE, card
from reports.cohort import POINTS, Cohort, CohortEntry, numbers
from reports.document import Cell, Column, Row, Table
from reports.format import NOTHING, count, number
from reports.palette import Palette
from reports.sections.common import name_cell

COLLAPSE = "modes/collapse"
WHOLE = (GENERATOR_UPDATES, IMAGES_PER_SECOND, "modes/classes_covered", "modes/found")
CellOf = Callable[[CohortEntry, str], Cell]


def has_column(cohort: Cohort, key: str) -> bool:
    """Return whether a metric has a column: any run has a value, or collapse has an evaluation protocol. The function ignores reference rows."""
    judged = key == COLLAPSE and key in cohort.protocols
    return judged or any(not math.isnan(value) for value in numbers(cohort.runs, key))


def heading(key: str) -> str:
    """Return a metric's column title: its title and arrow."""
    return f"{card(key).title}\N{NO-BREAK SPACE}{card(key).arrow}".strip()


def value_text(key: str, value: float) -> str:
    """Return a median or a single value of a metric as text."""
    if key in WHOLE:
        return count(value)
    return number(value)


def metric_table(
    cohort: Cohort, palette: Palette, keys: Sequence[str], cell: CellOf, *, caption: str, titles: Mapping[str, str] | None = None,
    folded: str = "", notes: tuple[str, ...] = (),
) -> Table:  # fmt: skip
    """Return a table of entries by metrics, with the cells that `cell` returns. `titles` replace those of the cards."""
    heads = {key: heading(key) for key in keys} | dict(titles or {})
    rows = [Row(cells=(name_cell(entry.name, palette), *(cell(entry, key) for key in keys))) for entry in cohort.entries]
    rows += [_reference(row, keys, cell) for _, row in cohort.references.iterrows()]
    columns = (Column(title="", align="left"), *(Column(title=heads[key]) for key in keys))
    return Table(columns=columns, rows=tuple(rows), caption=caption, folded=folded, notes=notes)


def _reference(row: pd.Series, keys: Sequence[str], cell: CellOf) -> Row:
    """Return a reference row as an entry of one run, so that the same functions build its cells."""
    alone = CohortEntry(name=str(row["variant"]), runs=row.to_frame().T)
    muted = (replace(cell(alone, key), tone="muted") for key in keys)
    return Row(cells=(Cell(text=alone.name, tone="muted"), *muted), reference=True)


def median_cell(entry: CohortEntry, key: str) -> Cell:
    """Return the median over finished runs, with the half-sample standard error of one run."""
    if key == COLLAPSE:
        return collapse_cell(entry)
    noise = entry.noise(key)
    value = entry.finished_median(key)
    detail = "" if noise is None or math.isnan(value) else f"± {number(noise.error)}"
    return Cell(text=value_text(key, value), detail=detail)


def mean_cell(entry: CohortEntry, key: str) -> Cell:
    """Return the mean over finished runs, with the smallest and the largest value if they differ."""
    if key == COLLAPSE:
        return collapse_cell(entry)
    finished = numbers(entry.runs[entry.runs["status"] == "finished"], key)
    values = [value for value in finished if math.isfinite(value)]
    if not values:
        return Cell(text=NOTHING)
    low, high = min(values), max(values)
    detail = "" if low == high else f"{_mean_text(key, low).removesuffix(' %')}–{_mean_text(key, high)}"
    return Cell(text=_mean_text(key, math.fsum(values) / len(values)), detail=detail)


def _mean_text(key: str, value: float) -> str:
    """Return a mean as text: counts with a decimal if they are not whole, high quality in per cent as in publications."""
    if key == POINTS and 0 <= value <= 1:
        return f"{100 * value:.1f} %"
    if key in WHOLE:
        return count(value) if value.is_integer() else f"{value:,.1f}"
    return number(value)


def collapse_cell(entry: CohortEntry) -> Cell:
    """Return the number of collapsed runs among the judged ones, or "not judged"."""
    finished = entry.runs[entry.runs["status"] == "finished"]
    values = [value for value in numbers(finished, COLLAPSE) if not math.isnan(value)]
    if finished.empty:
        return Cell(text=NOTHING)
    if not values:
        return Cell(text="not judged", tone="muted")
    collapsed = sum(value >= 0.5 for value in values)
    return Cell(text=f"{collapsed} of {len(values)}", tone="bad" if collapsed else "plain")


def has_errors(cohort: Cohort, keys: Sequence[str]) -> bool:
    """Return whether any of the metrics has a standard error."""
    return any(has_column(cohort, f"{key}{SE}") for key in keys)
