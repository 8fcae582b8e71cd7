"""Section on the results of the tests, in sentences: which entries differ significantly."""

from __future__ import annotations

import math

from bench.core.text import pluralise
from reports import cohort_differences
from reports.cohort import Cohort, CohortEntry
from reports.comparisons import CLEAR_RATIO, Comparison, Verdict, failed_words
from reports.document import Block, Cell, Column, Row, Section, Table, Text
from reports.format import join_words, number, shorten
from reports.power import BEYOND, MOST_SEEDS, POWER, SmallestDifference
from reports.sections.common import by_cohort, name_cell
from reports.stats import ALPHA, MIN_SEEDS, MIN_SURVIVORS
from reports.view import View

TITLE = "Verdict"
MOST = 12  # names in a list; the section on pairs shows more
MOST_RATIO = 1000  # a larger ratio says only that the spread is large
METHOD = (
    f"Welch's t-test on the log of the metric over at least {MIN_SEEDS} training seeds decides “significantly better”. "
    f"Holm's correction over all pairs limits the error to {100 * ALPHA:.0f} % in total. "
    "If the metric can be 0 or negative, or a value of the pair is not positive, the test is on the values themselves. "
    "In a verdict against its entry, a failed run counts as the entry's worst finished run or as `untrained`. In a verdict for its entry, "
    f"it counts as `real` or as `untrained`, whichever favours the entry least. An entry with failed runs and fewer than {MIN_SURVIVORS} finished ones ranks last, without a test. "
    f"“Clearly better” means significantly better, by a ratio of at least {CLEAR_RATIO:g}. "
    "No significant difference (n.s.) does not mean equal: more seeds may show one. "
    "Another budget may rank the entries differently (Lucic et al. 2018, arXiv 1711.10337)."
)
BEATEN: dict[Verdict, str] = {"clearly better": "clearly better than", "significantly better": "significantly better than"}
NOT_SIGNIFICANT, UNTESTED = "n.s. against", "not tested against"


def build(view: View) -> Section | None:
    """Return the verdict, or None without any run.

    It explains why there are several tables, then has for each cohort its sentences and a row for each entry."""
    if not view.cohorts:
        return None
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view))
    method = () if all(cohort.unmeasured for cohort in view.cohorts) else (Text(text=METHOD, tone="note"),)
    tables = tuple(Text(text=sentence, tone="note") for sentence in cohort_differences.chosen_differences(view.cohorts))
    return Section(id="verdict", title=TITLE, blocks=(*tables, *blocks, *method))


def _blocks(cohort: Cohort, view: View) -> list[Block]:
    trial_run = f"This is a trial run: {cohort.dataset} is too small to support conclusions."
    blocks: list[Block] = [] if cohort.claims else [Text(text=trial_run, tone="warning")]
    if cohort.varied:
        part = f"In this table, {cohort.varied}. The other random streams are those of seed 0, so its verdicts do not cover them."
        blocks.append(Text(text=part, tone="warning"))
    blocks += [Text(text=sentence, tone="lead" if i == 0 else "body") for i, sentence in enumerate(sentences(cohort))]
    if any(pair.better for pair in cohort.comparisons):
        blocks.append(_table(cohort, view))
    return blocks


def sentences(cohort: Cohort) -> list[str]:
    """Return the results of a cohort as sentences, the most important first."""
    if cohort.unmeasured:
        return [f"ganbench has no metric for {cohort.dataset} and ranks nothing. Compare the images and the training curves."]
    ranked = [entry for entry in cohort.entries if math.isfinite(entry.summary(cohort.headline.key).median)]
    if not ranked:
        return [f"No run has {cohort.headline.title}, so the verdict compares nothing."]
    best = ranked[0]
    median = number(best.summary(cohort.headline.key).median)
    lowest = {"lower": "Lowest", "higher": "Highest", "none": "First"}[cohort.headline.direction]
    start = f"{lowest} median {cohort.headline.title} on {cohort.dataset} at {cohort.budget} each: {best.name}, {median}."
    if len(cohort.entries) == 1:
        return [start, "There is only one entry, so there is no comparison."]
    tested = [pair for pair in cohort.comparisons if pair.p_holm is not None]
    if not tested:
        reasons = join_words(sorted({pair.reason for pair in cohort.comparisons if pair.reason}))
        return [start, f"No pair has a test: {reasons}. So there is no estimate of the seeds that would decide."]
    decided = sum(pair.better is not None for pair in tested)
    untested = len(cohort.comparisons) - len(tested)
    share = f"{decided:,} of {pluralise(len(cohort.comparisons), 'pair')} {'differs' if decided == 1 else 'differ'} significantly at this budget"
    return [
        start,
        _of_best(best, cohort),
        share + (f"; {untested:,} have no test." if untested else "."),
        *_distance(cohort),
        *_failed_out(cohort),
    ]


def _distance(cohort: Cohort) -> list[str]:
    """Return how far the undecided pairs are from a verdict, in one paragraph: the power of these seeds, and the seeds that would decide."""
    found = cohort.power
    if not found.seeds:
        return []
    parts = [] if found.smallest is None else [smallest_words(found.smallest)]
    known = [(needed.seeds, pair) for pair, needed in found.seeds.items() if needed.seeds is not None]
    beyond = sum(needed == BEYOND for needed in found.seeds.values())
    unknown = len(found.seeds) - len(known) - beyond
    total = pluralise(len(found.seeds), "undecided pair")
    if known:
        seeds, (a, b) = min(known, key=lambda one: one[0])
        nearest = f"Of the {total}, {a} and {b} are the nearest to a verdict" if len(found.seeds) > 1 else f"{a} and {b} are undecided"
        parts.append(f"{nearest}: about {seeds:,} seeds each would decide.")
    if beyond:
        parts.append(f"{_part(beyond, total, named=bool(known))} would need more than {MOST_SEEDS:,} seeds each.")
    if unknown:
        words = _part(unknown, total, named=bool(known or beyond))
        parts.append(f"{words} {'has' if unknown == 1 else 'have'} no estimate, because runs failed.")
    return [" ".join(parts)]


def _part(count: int, total: str, *, named: bool) -> str:
    """Return a number of the undecided pairs in words. `named` says whether a sentence before has already named their total."""
    if named:
        return f"{count:,}"
    return total if total.startswith(f"{count:,} ") else f"{count:,} of the {total}"


def smallest_words(found: SmallestDifference) -> str:
    """Return the smallest difference that these seeds could have shown, in words."""
    power = f"with {100 * POWER:.0f} % power, at the median spread between seeds"
    if found.ratio and found.value > MOST_RATIO:
        return f"{found.seeds} seeds are too few for this spread: even a ratio of {MOST_RATIO:,} would mostly remain undecided."
    what = f"a ratio of {number(found.value)} or more" if found.ratio else f"a difference of {number(found.value)} or more"
    return f"{found.seeds} seeds can show {what} ({power})."


def _failed_out(cohort: Cohort) -> list[str]:
    """Return the sentence that names the entries that rank last because too few of their runs finished."""
    failed = [failed_words(name, data) for name, data in cohort.samples.items() if data.failed_out]
    return [f"Ranked last: {join_words(shorten(failed, MOST))}."] if failed else []


def _of_best(best: CohortEntry, cohort: Cohort) -> str:
    """Return the verdicts on the entry with the best median against the others, in words."""
    beaten_by = [pair.better for pair in cohort.comparisons if pair.better and best.name in (pair.a, pair.b) and pair.better != best.name]
    if beaten_by:
        winners = join_words(shorten(beaten_by, MOST))
        return f"{best.name} has the best median, but the test finds {winners} significantly better: medians and means disagree."
    beaten = [
        f"{words} {join_words(shorten(names, MOST))}" for verdict, words in BEATEN.items() if (names := _beaten(best.name, cohort, verdict))
    ]
    found = [f"{best.name} is {' and '.join(beaten)}."] if beaten else []
    for verb, names in (
        ("shows no significant difference from", _undecided(best.name, cohort)),
        ("is not tested against", _untested(best.name, cohort)),
    ):
        found += [f"{best.name} {verb} {join_words(shorten(names, MOST), last='or')}."] if names else []
    return " ".join(found)


def _beaten(name: str, cohort: Cohort, verdict: Verdict) -> list[str]:
    return [_other(pair, name) for pair in cohort.comparisons if pair.better == name and pair.verdict == verdict]


def _undecided(name: str, cohort: Cohort) -> list[str]:
    return [_other(pair, name) for pair in cohort.comparisons if pair.p is not None and pair.better is None and name in (pair.a, pair.b)]


def _untested(name: str, cohort: Cohort) -> list[str]:
    return [_other(pair, name) for pair in cohort.comparisons if pair.p is None and name in (pair.a, pair.b)]


def _other(pair: Comparison, name: str) -> str:
    return pair.b if pair.a == name else pair.a


def _table(cohort: Cohort, view: View) -> Table:
    """Return the verdicts of each entry against the others, without empty columns."""
    names = [entry.name for entry in cohort.entries]
    lists = {words: [_beaten(name, cohort, verdict) for name in names] for verdict, words in BEATEN.items()}
    lists |= {NOT_SIGNIFICANT: [_undecided(name, cohort) for name in names], UNTESTED: [_untested(name, cohort) for name in names]}
    filled = {title: column for title, column in lists.items() if any(column)}
    rows = [
        Row(cells=(name_cell(entry.name, view.palette), *(Cell(text=", ".join(shorten(column[i], MOST))) for column in filled.values())))
        for i, entry in enumerate(cohort.entries)
    ]
    columns = tuple(Column(title=title, align="left") for title in ("", *filled))
    return Table(columns=columns, rows=tuple(rows), caption=f"{cohort.setting}.", stacked=True)
