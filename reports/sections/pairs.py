"""Section on every pair of entries: the verdict and the size of the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.cohort import Cohort
from reports.comparisons import Comparison, Verdict
from reports.document import Block, Cell, Column, Row, Section, Table, Tone
from reports.format import NOTHING, count, interval, number, p_value
from reports.palette import Palette
from reports.power import MOST_SEEDS, POWER, SeedsToDecide
from reports.sections.common import by_cohort, name_cell
from reports.view import View

TITLE = "Pairs"
RATIO = " × is the ratio of geometric means, above 1 if the row has the better values."
NOT_SIGNIFICANT, UNTESTED = "n.s.", "not tested"
NOTE = "n.s.: no significant difference. The section on the verdict defines the other terms."
SEEDS = "seeds to decide"
SEEDS_NOTE = (
    f"{SEEDS}: of each of the two entries, for a verdict with {100 * POWER:.0f} % power, if the observed means and spreads are the true ones. "
    f"A rough estimate: few seeds estimate a spread badly. Above {MOST_SEEDS:,}, the table has no number. If runs failed, there is no estimate, because more seeds have more failures."
)
MOST = 40  # entries: more columns would be unreadable and make the page too large
TONES: dict[Verdict, Tone] = {"no significant difference": "muted", "significantly better": "better", "clearly better": "clearly-better"}


def build(view: View) -> Section | None:
    """Return for each cohort a matrix of verdicts and, folded, the statistics of each pair, or None if no pair could be tested."""
    blocks = by_cohort(view, lambda cohort: _blocks(cohort, view.palette))
    return Section(id="pairs", title=TITLE, blocks=blocks) if blocks else None


def _blocks(cohort: Cohort, palette: Palette) -> list[Block]:
    names = [entry.name for entry in cohort.entries[:MOST]]
    pairs = _best_pairs(cohort)
    if not any(pair.p is not None for pair in pairs):
        return []
    setting = f"{cohort.setting}."
    if len(names) < len(cohort.entries):
        setting += f" The {MOST} entries with the best medians, of {len(cohort.entries)}. The correction is over the pairs of all entries."
    return [_matrix(cohort, names, pairs, palette, setting), _figures(pairs, palette, setting, cohort.power.seeds)]


def _best_pairs(cohort: Cohort) -> list[Comparison]:
    """Return the pairs of the entries with the best medians."""
    names = {entry.name for entry in cohort.entries[:MOST]}
    return [pair for pair in cohort.comparisons if {pair.a, pair.b} <= names]


def has_seeds(cohort: Cohort) -> bool:
    """Return whether the table of a cohort has the column `SEEDS`: a tested pair is undecided."""
    return bool(cohort.power.seeds) and any(pair.p is not None for pair in _best_pairs(cohort))


def _matrix(cohort: Cohort, names: Sequence[str], pairs: Sequence[Comparison], palette: Palette, setting: str) -> Table:
    """Return rows against columns, both ordered by median, so that the upper triangle contains every pair."""
    by_names = {(pair.a, pair.b): pair for pair in pairs}
    rows = [
        Row(cells=(name_cell(a, palette), *(_verdict(by_names[a, b]) if j > i else Cell(text="") for j, b in enumerate(names) if j > 0)))
        for i, a in enumerate(names[:-1])
    ]
    return Table(
        columns=(
            Column(title="row against column", align="left"),
            *(Column(title=name, align="center", colour=palette[name].colour) for name in names[1:]),
        ),
        rows=tuple(rows),
        fixed=True,
        notes=(NOTE,),
        caption=f"{setting} Is the row significantly better than the column in {cohort.headline.title}?{RATIO if _has_ratio(pairs) else ''}",
    )


def _seeds_cell(needed: SeedsToDecide | None) -> Cell:
    """Return the cell of the seeds that would decide a pair. It is a dash for a decided pair, and for one without a test."""
    if needed is None:
        return Cell(text=NOTHING, tone="muted")
    return Cell(text=needed.why, tone="muted") if needed.seeds is None else Cell(text=count(needed.seeds))


def _has_ratio(pairs: Sequence[Comparison]) -> bool:
    """Return whether any pair was compared on logs. Only positive values have a ratio."""
    return any(pair.ratio is not None for pair in pairs)


def _verdict(pair: Comparison) -> Cell:
    ratio = "" if pair.ratio is None else f"× {number(pair.ratio)}"
    return Cell(
        text=verdict_words(pair),
        tone=TONES[pair.verdict],
        detail=pair.reason or "; ".join(filter(None, (ratio or pair.test, pair.failures))),
    )


def verdict_words(pair: Comparison) -> str:
    """Return the verdict on A against B for a cell. The verdict names B if B is significantly better."""
    if pair.better is None:
        return UNTESTED if pair.p is None else NOT_SIGNIFICANT
    return pair.verdict if pair.better == pair.a else f"{pair.b} is {pair.verdict}"


def _figures(pairs: Sequence[Comparison], palette: Palette, setting: str, seeds: Mapping[tuple[str, str], SeedsToDecide]) -> Table:
    rows = [
        Row(
            cells=(
                name_cell(pair.a, palette),
                name_cell(pair.b, palette),
                Cell(text=verdict_words(pair), tone=TONES[pair.verdict]),
                Cell(text=number(pair.ratio) if pair.ratio is not None else "", detail=interval(pair.interval)),
                Cell(text="" if pair.p_better is None else number(pair.p_better)),
                Cell(text=p_value(pair.p)),
                Cell(text=p_value(pair.p_holm)),
                *([_seeds_cell(seeds.get((pair.a, pair.b)))] if seeds else []),
                Cell(text=pair.reason or "; ".join(filter(None, (pair.test, pair.failures))), tone="muted"),
            )
        )
        for pair in pairs
    ]
    ratio = (
        "ratio: the ratio of geometric means of the finished runs, above 1 if A has the better values, with the 95 % Welch interval of that pair alone. "
        if _has_ratio(pairs)
        else ""
    )
    titles = ("A", "B", "A against B", "ratio", "P(A better)", "p", "p (Holm)", *((SEEDS,) if seeds else ()), "test")
    left = ("A", "B", "A against B", "test")
    return Table(
        columns=tuple(Column(title=title, align="left" if title in left else "right") for title in titles),
        rows=tuple(rows),
        caption=setting,
        folded="Statistics of every pair",
        notes=(
            *((SEEDS_NOTE,) if seeds else ()),
            f"{ratio}P(A better): share of the pairs of seeds in which A has the better value. A tie counts as a half, a failed run as the worst value. {NOTE}",
        ),
    )
