"""The table of all entries: headline with interval and seeds, then what else was measured, with `real` and `untrained` for scale."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from bench.cards import MEASURED, card
from reports.document import Block, Cell, Column, Row, Section, Table
from reports.format import NOTHING, count, interval, number
from reports.palette import Palette
from reports.plots import seed_dots
from reports.sections.common import by_cohort, name_cell
from reports.stats import MIN_SEEDS
from reports.view import Cohort, Entry, View, numbers

TITLE = "Summary"
COLLAPSE = "modes/collapse"
SHOWN = (
    "quality/precision_classifier",
    "quality/recall_classifier",
    "modes/classes_covered",
    "diversity/duplicate_rate",
    COLLAPSE,
)
COST = ("train/generator_updates", "perf/train_seconds", "perf/images_per_second")
WHOLE = ("train/generator_updates", "perf/images_per_second", "modes/classes_covered")
LEFT = ("each seed", "runs")
MEAN = "mean [95\N{NO-BREAK SPACE}%]"
MARKS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class PlainTable:
    """A table as text alone, for a terminal."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def build(view: View) -> Section | None:
    """The summary of every cohort, and, folded, the median of every metric."""
    return Section(id="summary", title=TITLE, blocks=by_cohort(view, lambda cohort: _blocks(cohort, view.palette)))


def plain_tables(view: View) -> tuple[PlainTable, ...]:
    """The summary of each cohort in few columns of text."""
    return tuple(_plain(cohort) for cohort in view.cohorts)


def _blocks(cohort: Cohort, palette: Palette) -> list[Block]:
    return [_summary(cohort, palette), *_everything(cohort, palette)]


def _summary(cohort: Cohort, palette: Palette) -> Table:
    keys = [key for key in (*SHOWN, *COST) if _known(cohort, key)]
    marks, notes = _notes(cohort)
    headline = cohort.headline
    scale = seed_dots.scale_of(value for entry in cohort.entries for value in entry.sample(headline.key).values)
    rows = [_row(entry, cohort, palette, keys, marks.get(entry.name, ""), scale) for entry in cohort.entries]
    rows += [_reference(row, cohort, keys) for _, row in cohort.references.iterrows()]
    titles = [_title(headline.key), MEAN, *LEFT, *map(_title, keys)]
    return Table(
        columns=(Column(title="", align="left"), *(Column(title=title, align="left" if title in LEFT else "right") for title in titles)),
        rows=tuple(rows),
        caption=f"{cohort.dataset}, {cohort.budget} each. {headline.title}: median, mean with its 95 % Student-t interval, a dot for each seed.",
        notes=(*notes, *_legend(cohort)),
        axis=None if scale is None else seed_dots.axis(scale),
    )


def _row(entry: Entry, cohort: Cohort, palette: Palette, keys: list[str], mark: str, scale: seed_dots.Scale | None) -> Row:
    key = cohort.headline.key
    data, summary = entry.sample(key), entry.summary(key)
    picture = None if scale is None else seed_dots.dots(data, summary, scale, palette[entry.name])
    cells = [
        name_cell(entry.name, palette, mark),
        Cell(text=number(summary.median), tone="strong"),
        Cell(text=number(summary.mean), detail=interval(summary.interval)),
        Cell(text=seed_dots.words(data) or NOTHING, picture=picture if data.n else None),
        _status_cell(entry),
        *(_collapse(entry) if key == COLLAPSE else Cell(text=_value(key, entry.finished_median(key))) for key in keys),
    ]
    return Row(cells=tuple(cells))


def _reference(row: pd.Series, cohort: Cohort, keys: list[str]) -> Row:
    values = ["" if key == COLLAPSE else _value(key, float(row.get(key, math.nan))) for key in keys]
    texts = [str(row["variant"]), number(float(row.get(cohort.headline.key, math.nan))), "", "", "", *values]
    return Row(cells=tuple(Cell(text=text, tone="muted") for text in texts), reference=True)


def statuses(entry: Entry) -> str:
    """How the runs ended: "3/3 finished", or "2/3 finished, 1 diverged"."""
    counts = Counter(entry.runs["status"])
    others = [f"{n} {status}" for status, n in sorted(counts.items()) if status != "finished"]
    return ", ".join([f"{counts['finished']}/{len(entry.runs)} finished", *others])


def _status_cell(entry: Entry) -> Cell:
    first, _, rest = statuses(entry).partition(", ")
    return Cell(text=first.removesuffix(" finished"), detail=rest, tone="bad" if rest else "plain")


def _collapse(entry: Entry) -> Cell:
    values = [value for value in numbers(entry.runs[entry.runs["status"] == "finished"], COLLAPSE) if not math.isnan(value)]
    if not values:
        return Cell(text="not judged", tone="muted")
    collapsed = sum(value >= 0.5 for value in values)
    return Cell(text=f"{collapsed} of {len(values)}", tone="bad" if collapsed else "plain")


def _notes(cohort: Cohort) -> tuple[dict[str, str], list[str]]:
    """Each entry's mark, and the notes that the marks lead to; equal notes share one."""
    owners: dict[str, list[str]] = {}
    for entry in cohort.entries:
        for note in entry.notes():
            owners.setdefault(note, []).append(entry.name)
    letters = dict(zip(owners, MARKS, strict=False))
    marks = {name: " ".join(letters[note] for note in letters if name in owners[note]) for names in owners.values() for name in names}
    return marks, [f"({letters.get(note, '*')}) {', '.join(names)}: {note}".strip() for note, names in owners.items()]


def _legend(cohort: Cohort) -> list[str]:
    lines = [
        "runs: finished of all. Other columns are medians over the finished runs. ↓ lower is better, ↑ higher is better; the glossary defines every column."
    ]
    samples = [entry.sample(cohort.headline.key) for entry in cohort.entries]
    if any(data.failures for data in samples):
        lines.append("A failed run counts as infinitely bad in median and mean, and there is no interval beside it; a cross marks it.")
    if any(data.n < MIN_SEEDS for data in samples):
        lines.append(f"Under {MIN_SEEDS} seeds there is no interval and no test.")
    if any(data.unmeasured for data in samples):
        lines.append(f"A finished run without {cohort.headline.title} is in no figure of it, and no pair with it is compared.")
    if len(cohort.references):
        lines.append("real: as many training images, measured like generated ones. untrained: a network before any training.")
    return lines


def _everything(cohort: Cohort, palette: Palette) -> list[Block]:
    """The median of every measured metric, folded."""
    keys = [key for key in MEASURED if _known(cohort, key)]
    if not keys:
        return []
    rows = [
        Row(cells=(name_cell(e.name, palette), *(Cell(text=_value(key, e.finished_median(key))) for key in keys))) for e in cohort.entries
    ]
    for _, reference in cohort.references.iterrows():
        cells = [Cell(text=_value(key, float(reference.get(key, math.nan))), tone="muted") for key in keys]
        rows.append(Row(cells=(Cell(text=str(reference["variant"]), tone="muted"), *cells), reference=True))
    columns = (Column(title="", align="left"), *(Column(title=_title(key)) for key in keys))
    return [Table(columns=columns, rows=tuple(rows), folded="Every metric, medians over finished runs")]


def _plain(cohort: Cohort) -> PlainTable:
    keys = [
        key for key in ("quality/precision_classifier", "quality/recall_classifier", "modes/classes_covered", *COST) if _known(cohort, key)
    ]
    headline = cohort.headline
    rows = []
    for entry in cohort.entries:
        summary = entry.summary(headline.key)
        mean = f"{number(summary.mean)} {interval(summary.interval)}".strip()
        rows.append((entry.name, number(summary.median), mean, statuses(entry), *(_value(key, entry.finished_median(key)) for key in keys)))
    for _, row in cohort.references.iterrows():
        measured = number(float(row.get(headline.key, math.nan)))
        rows.append((str(row["variant"]), measured, "", "reference", *(_value(key, float(row.get(key, math.nan))) for key in keys)))
    headers = ("variant", _title(headline.key), MEAN, "runs", *map(_title, keys))
    title = cohort.title or f"{cohort.dataset}, {cohort.budget} each"
    return PlainTable(title=title, headers=headers, rows=tuple(rows))


def _known(cohort: Cohort, key: str) -> bool:
    """Whether any run has a value of a metric, references alone not being enough for a column."""
    return any(not math.isnan(value) for value in numbers(cohort.runs, key))


def _title(key: str) -> str:
    return f"{card(key).title}\N{NO-BREAK SPACE}{card(key).arrow}".strip()


def _value(key: str, value: float) -> str:
    return count(value) if key in WHOLE else number(value)
