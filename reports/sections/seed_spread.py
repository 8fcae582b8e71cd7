"""Section on the spread between runs by its origin: initial weights, order of the data and noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.metrics.columns import SE, Card
from reports.cohort import Cohort, numbers
from reports.comparisons import holm
from reports.document import Block, Cell, Column, Figure, Heading, Row, Section, Table, Text
from reports.format import NOTHING, join_words, number, p_value, percent
from reports.palette import Palette
from reports.plots import base
from reports.plots import seed_spread as plot
from reports.sections.common import name_cell
from reports.seed_spread import ALL, STREAMS, SpreadShares, spread, spread_shares
from reports.stats import ALPHA, MIN_SEEDS, Interval
from reports.view import View

TITLE = "Where seeds differ"
TOGETHER = "all together"
MOST = 0.5  # a share whose interval is above it is most of the spread


@dataclass(frozen=True, kw_only=True)
class EntrySpread:
    """Record of the runs of one entry: the values by the streams that follow the seed, on the scale of the metric."""

    name: str
    logs: bool  # whether values are logs, so that the spread is relative
    values: dict[str, tuple[float, ...]]
    failures: int
    error: float  # root mean square of the standard errors, on the same scale; NaN without any
    shares: SpreadShares | None


def build(view: View) -> Section | None:
    """Return a bar and a row for each entry, or None if no run fixes a stream."""
    groups = spread_groups(view.cohorts)
    blocks = [block for group in groups for block in _blocks(group, view.palette, titled=len(groups) > 1)]
    return Section(id="seed-spread", title=TITLE, blocks=tuple(blocks)) if blocks else None


def spread_groups(cohorts: Sequence[Cohort]) -> list[dict[str, Cohort]]:
    """Return groups of cohorts that differ only in the random streams that follow the seed, if any fixes a stream."""
    groups: dict[object, dict[str, Cohort]] = {}
    for cohort in cohorts:
        key = (cohort.dataset, cohort.length, cohort.track, cohort.results_version, cohort.protocols.get(cohort.headline.key))
        group = groups.setdefault(key, {})
        group[cohort.vary] = _merged(group[cohort.vary], cohort) if cohort.vary in group else cohort
    return [group for group in groups.values() if any(vary != ALL for vary in group)]


def _merged(one: Cohort, two: Cohort) -> Cohort:
    """Return a cohort with the runs of two, which differ in the evaluation protocol of other metrics. Each entry has one run for each seed."""
    entries = {entry.name: entry for entry in one.entries}
    for entry in two.entries:
        runs = [entries[entry.name].runs, entry.runs] if entry.name in entries else [entry.runs]
        entries[entry.name] = replace(entry, runs=pd.concat(runs).drop_duplicates("seed").sort_values("seed"))
    return replace(one, entries=tuple(entries.values()))


def entry_spreads(group: Mapping[str, Cohort]) -> list[EntrySpread]:
    """Return the spread of each entry, in the order of the cohorts. The tests of equal shares have Holm's correction over the entries."""
    headline = next(iter(group.values())).headline
    names = dict.fromkeys(entry.name for cohort in group.values() for entry in cohort.entries)
    found = [_entry_spread(name, group, headline) for name in names]
    adjusted = iter(holm([one.shares.p_equal for one in found if one.shares is not None]))
    return [one if one.shares is None else replace(one, shares=replace(one.shares, p_equal=next(adjusted))) for one in found]


def _entry_spread(name: str, group: Mapping[str, Cohort], headline: Card) -> EntrySpread:
    entries = {vary: entry for vary, cohort in group.items() for entry in cohort.entries if entry.name == name}
    samples = {vary: entry.sample(headline.key) for vary, entry in entries.items()}
    raw = {vary: data.values for vary, data in samples.items()}
    logs = headline.scale == "ratio" and all(value > 0 for values in raw.values() for value in values)
    values = {vary: tuple(map(math.log, found)) if logs else found for vary, found in raw.items()}
    errors = [
        error / value if logs else error
        for entry in entries.values()
        for value, error in zip(numbers(entry.finished, headline.key), numbers(entry.finished, f"{headline.key}{SE}"), strict=True)
        if math.isfinite(value) and math.isfinite(error)
    ]
    alone = {stream: values.get(stream, ()) for stream in STREAMS}
    return EntrySpread(
        name=name,
        logs=logs,
        values=values,
        failures=sum(data.failures for data in samples.values()),
        error=math.sqrt(math.fsum(error**2 for error in errors) / len(errors)) if errors else math.nan,
        shares=spread_shares(alone),
    )


def _blocks(group: Mapping[str, Cohort], palette: Palette, *, titled: bool) -> list[Block]:
    first = next(iter(group.values()))
    entries = entry_spreads(group)
    measured = {entry.name: entry.shares for entry in entries if entry.shares is not None}
    blocks: list[Block] = [Heading(text=first.base_setting)] if titled else []
    blocks.append(Text(text=_answer(measured, group), tone="lead"))
    if measured:
        with base.axes(7.2, plot.height(len(measured))) as ax:
            plot.draw(ax, measured)
            caption = "Bar: share of each stream in the variance between runs. Lines below: the 95 % interval of each share."
            blocks.append(Figure(id=f"seed-spread-{first.index}", caption=caption, picture=base.picture(ax, plot.alt(measured))))
    blocks.append(_table(entries, first, palette))
    return blocks


def _answer(measured: Mapping[str, SpreadShares], group: Mapping[str, Cohort]) -> str:
    """Return the answer in words: the largest stream of each entry, or that the shares cannot be separated."""
    if not measured:
        missing = [words for stream, words in STREAMS.items() if stream not in group]
        reason = f"missing: {join_words(missing)}" if missing else f"at least {MIN_SEEDS} finished seeds for each"
        return f"Shares need runs in which each stream alone follows the seed ({reason})."
    decided = {name: found for name, found in measured.items() if found.p_equal < ALPHA}
    parts = []
    for name, found in decided.items():
        stream, share = max(found.shares.items(), key=lambda pair: pair[1].value)
        figures = f"{percent(share.value)} {_ends(share.interval)}"
        most = (
            f"most of the spread comes from {STREAMS[stream]}"
            if share.interval.low > MOST
            else f"the shares differ, and {STREAMS[stream]} has the largest one"
        )
        parts.append(f"{name}: {most} ({figures}).")
    undecided = [name for name in measured if name not in decided]
    if undecided:
        parts.append(f"For {join_words(undecided)}, these seeds show no significant difference between the shares.")
    return " ".join(parts)


def _table(entries: Sequence[EntrySpread], first: Cohort, palette: Palette) -> Table:
    columns = ("", *STREAMS.values(), TOGETHER, "standard error", "p (equal shares)")
    rows = [
        Row(
            cells=(
                name_cell(entry.name, palette),
                *(_cell(entry, stream) for stream in (*STREAMS, ALL)),
                Cell(text=_spread_text(entry, entry.error)),
                Cell(text=p_value(None if entry.shares is None else entry.shares.p_equal)),
            )
        )
        for entry in entries
    ]
    notes = [
        "Standard deviation between runs in which only this stream follows the seed, as a percentage if the metric compares by ratio. "
        "Second line: number of runs, share of the variance, and its 95 % interval. "
        "All together: the runs in which all streams follow the seed. If the streams act independently, its square is the sum of the three squares.",
        "Standard error: half-sample standard error of one evaluation. It is part of every spread, because the latents of the evaluation always follow the seed.",
        "The shares describe the spread beside the fixed streams of seed 0. The interval assumes normal values. p (equal shares): Bartlett's test, with Holm's correction over the rows.",
    ]
    if any(entry.failures for entry in entries):
        notes.append("Failed runs have no value and are left out.")
    return Table(
        columns=tuple(Column(title=title, align="right" if title else "left") for title in columns),
        rows=tuple(rows),
        caption=f"{first.headline.title}, {first.base_setting}.",
        notes=tuple(notes),
    )


def _cell(entry: EntrySpread, stream: str) -> Cell:
    values = entry.values.get(stream, ())
    found = spread(values)
    share = entry.shares.shares.get(stream) if entry.shares is not None else None
    detail = f"n = {len(values)}"
    if share is not None:
        detail += f"; {percent(share.value)} {_ends(share.interval)}"
    return Cell(text=NOTHING if found is None else _spread_text(entry, found), detail=detail if values else "")


def _ends(found: Interval) -> str:
    return f"[{percent(found.low)}, {percent(found.high)}]"


def _spread_text(entry: EntrySpread, value: float) -> str:
    if math.isnan(value):
        return NOTHING
    return f"{100 * value:.2g} %" if entry.logs else number(value)
