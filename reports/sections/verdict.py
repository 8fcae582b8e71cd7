"""The answer in plain words, from the tests alone: who is better than whom, and where nothing can be said."""

from __future__ import annotations

import math

from bench.core.text import counted
from reports import cohort_differences
from reports.cohort import Cohort, CohortEntry
from reports.document import Block, Cell, Column, Row, Section, Table, Text
from reports.format import join_words, number, shorten
from reports.sections.common import by_cohort, name_cell
from reports.stats import ALPHA, CLEAR_RATIO, MIN_SEEDS, Comparison, Verdict
from reports.view import View

TITLE = "Verdict"
MOST = 12  # names in a list; the section on pairs has more of them
METHOD = (
    f"“Better” needs a test: Welch's t on the log of the metric over training seeds (on the metric itself where a value is not positive), "
    f"from {MIN_SEEDS} seeds up, Holm's correction over all pairs, "
    f"{100 * ALPHA:.0f} % in total; a pair with a failed run is compared by rank permutation, the failure as worst rank. "
    f"“Clearly” adds a ratio of at least {CLEAR_RATIO:g}. “No claim” is not “equal”: more seeds may decide. "
    "Another budget may rank otherwise (Lucic et al. 2018, arXiv 1711.10337)."
)


def build(view: View) -> Section | None:
    """Why there are several tables, a lead sentence a cohort, and a line for each entry; None where there is nothing to compare, not even one run."""
    if not view.cohorts:
        return None
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    method = () if all(cohort.unmeasured for cohort in view.cohorts) else (Text(text=METHOD, tone="note"),)
    tables = tuple(Text(text=sentence, tone="note") for sentence in cohort_differences.chosen_differences(view.cohorts))
    return Section(id="verdict", title=TITLE, blocks=(*tables, *blocks, *method))


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    blocks: list[Block] = (
        [] if cohort.claims else [Text(text=f"What follows is a trial run: {cohort.dataset} supports no claim.", tone="warning")]
    )
    blocks += [Text(text=sentence, tone="lead" if i == 0 else "body") for i, sentence in enumerate(sentences(cohort))]
    if any(pair.better for pair in cohort.comparisons):
        blocks.append(_table(cohort, view))
    return blocks


def sentences(cohort: Cohort) -> list[str]:
    """What can be said of a cohort, the most important first."""
    if cohort.unmeasured:
        return [f"No metric exists for {cohort.dataset}, so nothing is ranked: compare the images and the training curves."]
    ranked = [entry for entry in cohort.entries if math.isfinite(entry.summary(cohort.headline.key).median)]
    if not ranked:
        return [f"No run has {cohort.headline.title}, so nothing can be compared."]
    best = ranked[0]
    median = number(best.summary(cohort.headline.key).median)
    lowest = {"lower": "Lowest", "higher": "Highest", "none": "First"}[cohort.headline.direction]
    start = f"{lowest} median {cohort.headline.title} on {cohort.dataset} at {cohort.budget} each: {best.name}, {median}."
    if len(cohort.entries) == 1:
        return [start, "There is one entry, so nothing to compare it with."]
    tested = [pair for pair in cohort.comparisons if pair.p_holm is not None]
    if not tested:
        reasons = join_words(sorted({pair.reason for pair in cohort.comparisons if pair.reason}))
        return [start, f"No claim about any pair: {reasons}."]
    decided = sum(pair.better is not None for pair in tested)
    return [
        start,
        _of_best(best, cohort),
        f"{decided:,} of {counted(len(cohort.comparisons), 'pair')} can be told apart at this budget; the others are no claim.",
    ]


def _of_best(best: CohortEntry, cohort: Cohort) -> str:
    """How the entry with the best median stands against the others."""
    words = [
        f"{verdict} than {join_words(shorten(names, MOST))}"
        for verdict in ("clearly better", "better")
        if (names := [loser for loser, said in _beaten(best.name, cohort) if said == verdict])
    ]
    equals = _undecided(best.name, cohort)
    if equals:
        words.append(f"not to be told apart from {join_words(shorten(equals, MOST), last='or')}")
    beaten_by = [pair.better for pair in cohort.comparisons if pair.better and best.name in (pair.a, pair.b) and pair.better != best.name]
    return (
        f"{best.name} is {'; '.join(words)}."
        if not beaten_by
        else f"{best.name} has the best median, but {join_words(shorten(beaten_by, MOST))} test as better: medians and means disagree."
    )


def _beaten(name: str, cohort: Cohort) -> list[tuple[str, Verdict]]:
    return [(_other(pair, name), pair.verdict) for pair in cohort.comparisons if pair.better == name]


def _undecided(name: str, cohort: Cohort) -> list[str]:
    return [_other(pair, name) for pair in cohort.comparisons if pair.better is None and name in (pair.a, pair.b)]


def _other(pair: Comparison, name: str) -> str:
    return pair.b if pair.a == name else pair.a


def _table(cohort: Cohort, view: View) -> Table:
    """Whom each entry beats and whom it cannot be told apart from; a column that would be empty is left out."""
    lists: dict[str, list[list[str]]] = {"clearly better than": [], "better than": [], "no claim against": []}
    for entry in cohort.entries:
        beaten = _beaten(entry.name, cohort)
        lists["clearly better than"].append([name for name, said in beaten if said == "clearly better"])
        lists["better than"].append([name for name, said in beaten if said == "better"])
        lists["no claim against"].append(_undecided(entry.name, cohort))
    shown = {title: column for title, column in lists.items() if any(column)}
    rows = [
        Row(cells=(name_cell(entry.name, view.palette), *(Cell(text=", ".join(shorten(column[i], MOST))) for column in shown.values())))
        for i, entry in enumerate(cohort.entries)
    ]
    columns = tuple(Column(title=title, align="left") for title in ("", *shown))
    return Table(columns=columns, rows=tuple(rows), caption=f"{cohort.setting}.")
