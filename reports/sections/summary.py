"""Section with the table of all entries: headline metric, seeds, other metrics, and the reference rows `real` and `untrained`."""

from __future__ import annotations

import math
import string
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from bench.metrics.columns import BEST, FID_CLASSIFIER, GENERATOR_UPDATES, IMAGES_PER_SECOND, PIXELS, TRAIN_SECONDS, card, is_metric
from reports import extractor_ranks
from reports.cohort import Cohort, CohortEntry
from reports.comparisons import failed_words
from reports.document import Block, Cell, Column, Row, Section, Table
from reports.format import NOTHING, interval, join_words, letters_of, number, percent
from reports.palette import Palette
from reports.plots import seed_dots
from reports.sections import all_metrics
from reports.sections.common import by_cohort, name_cell
from reports.sections.metric_tables import COLLAPSE, collapse_cell, has_column, heading, value_text
from reports.stats import MIN_SEEDS, MIN_SURVIVORS, Interval, Sample
from reports.view import View

TITLE = "Summary"
METRICS = (
    FID_CLASSIFIER,
    PIXELS,
    "quality/precision_classifier",
    "quality/recall_classifier",
    "modes/found",
    "modes/high_quality",
    "modes/classes_covered",
    "diversity/duplicate_rate",
    COLLAPSE,
)
COST = (GENERATOR_UPDATES, TRAIN_SECONDS, IMAGES_PER_SECOND)
GROUP = "n.s. within group"
LEFT = (GROUP, "each seed", "runs")
MEAN = "mean [95\N{NO-BREAK SPACE}%]"
SUCCESS = "success [95\N{NO-BREAK SPACE}%]"
UNMEASURED = "ganbench has no metric for this data and ranks nothing."


@dataclass(frozen=True, kw_only=True)
class PlainTable:
    """Record of a table as text, for a terminal."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def build(view: View) -> Section | None:
    """Return the summary of every cohort and, folded, the median of every metric, or None without any run."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view.palette))
    return Section(id="summary", title=TITLE, blocks=blocks) if blocks else None


def plain_tables(view: View) -> tuple[PlainTable, ...]:
    """Return the summary of each cohort in few columns of text."""
    return tuple(_plain(cohort) for cohort in view.cohorts)


def _blocks(cohort: Cohort, palette: Palette) -> list[Block]:
    return [_summary(cohort, palette), *all_metrics.tables(cohort, palette)]


def _summary(cohort: Cohort, palette: Palette) -> Table:
    keys = [key for key in (*METRICS, *COST) if key != cohort.headline.key and has_column(cohort, key)]
    marks, notes = _notes(cohort)
    headline = cohort.headline
    scale = seed_dots.scale_of(value for entry in cohort.entries for value in entry.sample(headline.key).values)
    what = f"{headline.title}: median, mean with its 95 % Student-t interval, a dot for each seed."
    rows = [_row(entry, cohort, palette, keys, marks.get(entry.name, ""), scale) for entry in cohort.entries]
    rows += [_reference(row, cohort, keys) for _, row in cohort.references.iterrows()]
    titles = [
        *([GROUP] if cohort.groups else []),
        *_headline_titles(cohort, (MEAN, "each seed")),
        "runs",
        *([SUCCESS] if cohort.any_failed else []),
        *map(heading, keys),
    ]
    return Table(
        columns=(Column(title="", align="left"), *(Column(title=title, align="left" if title in LEFT else "right") for title in titles)),
        rows=tuple(rows),
        caption=f"{cohort.setting}. {UNMEASURED if cohort.unmeasured else what}",
        notes=(*notes, *_legend_of_groups(cohort, footnotes=bool(notes)), *_legend(cohort)),
        axis=None if scale is None else seed_dots.axis(scale),
    )


def _row(entry: CohortEntry, cohort: Cohort, palette: Palette, keys: list[str], mark: str, scale: seed_dots.DotScale | None) -> Row:
    cells = [
        name_cell(entry.name, palette, mark),
        *([_group_cell(entry, cohort)] if cohort.groups else []),
        *([] if cohort.unmeasured else _outcomes(entry, cohort, palette, scale)),
        _status_cell(entry),
        *([_success_cell(entry, cohort)] if cohort.any_failed else []),
        *(collapse_cell(entry) if key == COLLAPSE else Cell(text=value_text(key, entry.finished_median(key))) for key in keys),
    ]
    return Row(cells=tuple(cells))


def _group_cell(entry: CohortEntry, cohort: Cohort) -> Cell:
    """Return the letters of the groups that an entry is in, or a dash for an entry without a test."""
    letters = cohort.groups.get(entry.name, "")
    return Cell(text=letters, tone="strong", code=True) if letters else Cell(text=NOTHING, tone="muted")


def _outcomes(entry: CohortEntry, cohort: Cohort, palette: Palette, scale: seed_dots.DotScale | None) -> list[Cell]:
    """Return the cells of the headline metric for the last checkpoint and, if recorded, the best one."""
    key = cohort.headline.key
    data, summary = entry.sample(key), entry.summary(key)
    picture = None if scale is None else seed_dots.dots(data, summary, scale, palette[entry.name])
    return [
        Cell(text=number(summary.median), tone="strong", detail=failed_label(data)),
        *([Cell(text=number(entry.summary(BEST + key).median))] if has_best(cohort) else []),
        Cell(text=number(summary.mean), detail=interval(summary.interval)),
        Cell(text=seed_dots.values_text(data) or NOTHING, picture=picture if data.n else None, detail=_noise(entry, key)),
    ]


def failed_label(data: Sample) -> str:
    """Return "failed in 4 of 5 seeds" for an entry that ranks last because of its failed runs, or else ""."""
    return failed_words("", data).strip() if data.failed_out else ""


def _noise(entry: CohortEntry, key: str) -> str:
    """Return the half-sample standard error of one run and its share of the variance between seeds. The text is empty without a standard error."""
    noise = entry.noise(key)
    if noise is None:
        return ""
    return f"standard error {number(noise.error)}" + ("" if noise.share is None else f" ({percent(noise.share)})")


def has_best(cohort: Cohort) -> bool:
    """Return whether any run recorded the metrics of its best checkpoint."""
    return has_column(cohort, BEST + cohort.headline.key)


def _headline_titles(cohort: Cohort, spread: tuple[str, ...]) -> list[str]:
    """Return the columns of the headline metric: the median for the last and the best checkpoint, then the spread of the seeds."""
    if cohort.unmeasured:
        return []
    card_ = cohort.headline
    if not has_best(cohort):
        return [heading(card_.key), *spread]
    arrow = f"\N{NO-BREAK SPACE}{card_.arrow}".rstrip()
    return [f"{card_.title}, last{arrow}", f"best checkpoint{arrow}", *spread]


def _reference(row: pd.Series, cohort: Cohort, keys: list[str]) -> Row:
    values = ["" if key == COLLAPSE else value_text(key, float(row.get(key, math.nan))) for key in keys]
    width = len(_headline_titles(cohort, ("", "")))
    headline = [number(float(row.get(cohort.headline.key, math.nan))), *[""] * width][:width]
    texts = [str(row["variant"]), *([""] if cohort.groups else []), *headline, *["" for _ in range(1 + cohort.any_failed)], *values]
    return Row(cells=tuple(Cell(text=text, tone="muted") for text in texts), reference=True)


def statuses(entry: CohortEntry) -> str:
    """Return the statuses of the runs: "3/3 finished", or "2/3 finished, 1 diverged"."""
    counts = Counter(entry.runs["status"])
    others = [f"{n} {status}" for status, n in sorted(counts.items()) if status != "finished"]
    return ", ".join([f"{counts['finished']}/{len(entry.runs)} finished", *others])


def _status_cell(entry: CohortEntry) -> Cell:
    first, _, rest = statuses(entry).partition(", ")
    return Cell(text=first.removesuffix(" finished"), detail=rest, tone="bad" if rest else "plain")


def _success_cell(entry: CohortEntry, cohort: Cohort) -> Cell:
    """The share of runs that finished, with its interval."""
    data = entry.sample(cohort.headline.key)
    runs = data.finished + data.failures
    return Cell(text=percent(data.finished / runs), detail=_shares(data.success)) if runs else Cell(text=NOTHING)


def _shares(found: Interval) -> str:
    return f"[{percent(found.low)}, {percent(found.high)}]"


def _notes(cohort: Cohort) -> tuple[dict[str, str], list[str]]:
    """Return the footnote letters of each entry, and the footnotes. Equal notes share a letter."""
    owners: dict[str, list[str]] = {}
    for entry in cohort.entries:
        for note in entry.notes():
            owners.setdefault(note, []).append(entry.name)
    letters = {note: letters_of(index, string.ascii_lowercase) for index, note in enumerate(owners)}
    marks = {name: " ".join(letters[note] for note in letters if name in owners[note]) for names in owners.values() for name in names}
    return marks, [f"({letters[note]}) {', '.join(names)}: {note}".strip() for note, names in owners.items()]


def _legend(cohort: Cohort) -> list[str]:
    lines = [
        "runs: finished runs of all runs. Other columns are medians over the finished runs. ↓ lower is better, ↑ higher is better. The glossary defines every column."
    ]
    if cohort.unmeasured:
        return lines
    samples = [entry.sample(cohort.headline.key) for entry in cohort.entries]
    if has_best(cohort):
        lines.append(
            f"best checkpoint: median over seeds of {cohort.headline.title} at the best evaluation point of each run. Each run selects the point with one set "
            "of evaluation noise and scores it with another. The ranking, the intervals and the tests use the last checkpoint."
        )
        others = sorted({key for entry in cohort.entries for key in entry.runs["best_metric"] if key and is_metric(key)})
        if others:
            titles = join_words([card(key).title for key in others])
            lines.append(f"Some best points were selected by {titles}, the headline metric at that time.")
    lines += _legend_of_noise(cohort)
    contested = extractor_ranks.contested(extractor_ranks.ranked(cohort))
    if contested:
        lines.append(f"The feature extractors disagree on {join_words(contested)}: see “{extractor_ranks.TITLE}”.")
    if any(data.failures for data in samples):
        lines.append("A cross is a failed run. It counts as infinitely bad in the median and the mean, and the mean then has no interval.")
        lines.append(
            "success: share of finished, failed and diverged runs that finished, with its Clopper-Pearson interval. The note of the verdict explains how tests treat failed runs."
        )
    if any(data.failed_out for data in samples):
        lines.append(f"An entry with failed runs and fewer than {MIN_SURVIVORS} finished ones ranks last, and pairs with it have no test.")
    if any(data.n < MIN_SEEDS for data in samples):
        lines.append(f"With fewer than {MIN_SEEDS} seeds there is no interval and no test.")
    if any(data.unmeasured for data in samples):
        lines.append(
            f"The statistics of {cohort.headline.title} leave out finished runs without a value. Pairs with such a run have no test."
        )
    if len(cohort.references):
        lines.append(f"real: training {cohort.things}, measured by the same evaluation protocol. untrained: a network before training.")
    return lines


def _legend_of_groups(cohort: Cohort, *, footnotes: bool) -> list[str]:
    """Return the legend of the groups. It is empty if the table has none."""
    if not cohort.groups:
        return []
    untested = any(pair.p is None for pair in cohort.comparisons)
    others = "differ significantly, or their pair has no test" if untested else "differ significantly"
    small = " The small letters after names refer to notes." if footnotes else ""
    return [
        f"{GROUP}: no significant difference within a group. Entries with a common capital letter show none, which does not mean that they are equal. "
        f"Entries without a common letter {others}.{small}"
    ]


def _legend_of_noise(cohort: Cohort) -> list[str]:
    """Return the legend of the standard errors below the dots. The legend is empty if no run has a standard error."""
    found = [noise for entry in cohort.entries if (noise := entry.noise(cohort.headline.key)) is not None]
    if not found:
        return []
    words = f"standard error: the half-sample standard error of one run, from 20 half-samples of its generated {cohort.things}"
    shares = [noise.share for noise in found if noise.share is not None]
    if not shares:
        return [f"{words}."]
    low, high = percent(min(shares)), percent(max(shares))
    much = low if low == high else f"{low} to {high}"
    return [
        f"{words}. In brackets: its share of the variance between seeds, here {much}. The rest is due to training. With few seeds, the share is a rough estimate."
    ]


def _plain(cohort: Cohort) -> PlainTable:
    quality = ("quality/precision_classifier", "quality/recall_classifier", "modes/found", "modes/high_quality", "modes/classes_covered")
    keys = [key for key in (*quality, *COST[: 2 if has_best(cohort) else 3]) if has_column(cohort, key)]  # a terminal is narrow
    last = heading(cohort.headline.key)
    heads = [] if cohort.unmeasured else [last, *(["best checkpoint"] if has_best(cohort) else []), MEAN]
    rows = []
    for entry in cohort.entries:
        summary = entry.summary(cohort.headline.key)
        best = [number(entry.summary(BEST + cohort.headline.key).median)] if has_best(cohort) else []
        median = failed_label(entry.sample(cohort.headline.key)) or number(summary.median)
        outcome = [median, *best, f"{number(summary.mean)} {interval(summary.interval)}".strip()]
        values = [value_text(key, entry.finished_median(key)) for key in keys]
        rows.append((entry.name, *(outcome if heads else []), statuses(entry), *values))
    for _, row in cohort.references.iterrows():
        outcome = [number(float(row.get(cohort.headline.key, math.nan))), *[""] * len(heads)][: len(heads)]
        rows.append((str(row["variant"]), *outcome, "reference", *(value_text(key, float(row.get(key, math.nan))) for key in keys)))
    title = ", ".join(part for part in (cohort.setting, cohort.why) if part)
    return PlainTable(title=title, headers=("variant", *heads, "runs", *map(heading, keys)), rows=tuple(rows))
