"""Renderer of the leaderboard as LaTeX: a booktabs table for each cohort, by `pandas.Styler.to_latex` from escaped cells."""

from __future__ import annotations

import math
import re

import pandas as pd

from bench.core.text import harmless
from bench.metrics.columns import BEST
from reports.cohort import Cohort, CohortEntry, numbers
from reports.format import NOTHING, number
from reports.groups import ABSENT
from reports.sections.summary import has_best
from reports.sections.verdict import smallest_words
from reports.stats import Summary
from reports.view import View

ESCAPES = {  # more than `Styler.format(escape="latex")` escapes
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after the end of a row, LaTeX reads these as its options
    "−": "$-$", "∞": r"$\infty$", "–": "--", "±": r"$\pm$", "×": r"$\times$", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
    "\N{NO-BREAK SPACE}": "~", "\N{REPLACEMENT CHARACTER}": "?", '"': "''",
}  # fmt: skip
HEAD = "% Written by ganbench report --latex; needs \\usepackage{booktabs}."
BOLD = "textbf:--rwrap;"  # the style of a Styler that wraps a cell in \textbf{}
RULE = "\\midrule\n"  # before the first cell of a row, it draws a rule above the row


def latex(view: View) -> str:
    """Return the leaderboards of a report, ready to be \\input."""
    return "\n".join([HEAD, *(_table(cohort) for cohort in view.cohorts)])


def escape(text: str) -> str:
    """Return text that LaTeX shows literally, on one line, with all its special characters escaped."""
    apart = re.sub("-(?=-)", "-\0", harmless(" ".join(text.split())))  # two hyphens would be a dash
    return "".join(ESCAPES.get(letter, letter) for letter in apart).replace("\0", "{}")


def _table(cohort: Cohort) -> str:
    key, best = cohort.headline.key, has_best(cohort)
    columns = ["variant", f"{cohort.headline.title} {cohort.headline.arrow}, mean ± half-interval", "median"]
    columns += [*(["best checkpoint"] if best else []), "seeds", "finished", *(["n.s. within group"] if cohort.groups else [])]
    summaries = [entry.summary(key) for entry in cohort.entries]
    rows = [_row(entry, summary, cohort, best=best) for entry, summary in zip(cohort.entries, summaries, strict=True)]
    values = zip(cohort.references["variant"], numbers(cohort.references, key), strict=True)
    references = [[str(name), number(value), *[""] * (len(columns) - 2)] for name, value in values]
    escaped = [list(map(escape, row)) for row in (*rows, *references)]
    if references:
        escaped[len(rows)][0] = RULE + escaped[len(rows)][0]
    cells = pd.DataFrame(escaped, columns=list(map(escape, columns)))
    bold = pd.DataFrame("", index=cells.index, columns=cells.columns)
    bold.iloc[_best_rows([found.mean for found in summaries], cohort.headline.direction), 1] = BOLD
    bold.iloc[_best_rows([found.median for found in summaries], cohort.headline.direction), 2] = BOLD
    return (
        cells.style.hide(axis="index")
        .apply(lambda _: bold, axis=None)
        .to_latex(
            hrules=True,
            column_format="l" + "r" * (len(columns) - 1),
            position_float="centering",
            caption=_caption(cohort),
            label=f"tab:ganbench-{cohort.index + 1}",
        )
    )


def _row(entry: CohortEntry, summary: Summary, cohort: Cohort, *, best: bool) -> list[str]:
    half = "" if summary.interval is None else f" ± {number(summary.interval.high - summary.mean)}"
    return [
        entry.name,
        number(summary.mean) + half,
        number(summary.median),
        *([number(entry.summary(BEST + cohort.headline.key).median)] if best else []),
        str(len(entry.runs)),
        f"{len(entry.finished)}/{len(entry.runs)}",
        *([cohort.groups.get(entry.name, NOTHING).replace(ABSENT, "")] if cohort.groups else []),
    ]


def _best_rows(values: list[float], direction: str) -> list[int]:
    """Return the rows with the best finite value: several if values are equal."""
    finite = [value for value in values if math.isfinite(value)]
    if direction == "none" or not finite:
        return []
    best = min(finite) if direction == "lower" else max(finite)
    return [row for row, value in enumerate(values) if value == best]


def _caption(cohort: Cohort) -> str:
    """Return the caption: data, budget, track, evaluation protocol and the meaning of the figures."""
    card = cohort.headline
    parts = [f"{cohort.setting}."]
    if not cohort.claims:
        parts.append("This is a trial run: the data is too small to support conclusions.")
    if cohort.unmeasured:
        return escape(" ".join([*parts, "ganbench has no metric for this data and ranks nothing."]))
    better = {"lower": "lower is better", "higher": "higher is better", "none": "neither end is better"}[card.direction]
    parts += [
        f"{card.title} ({better}): mean over training seeds ± half of its 95% Student-t interval, and median; the best in bold.",
        "A failed run counts as infinitely bad.",
        *_tests(cohort),
        *_noise(cohort),
        *(["Best checkpoint: the median of the checkpoint that is selected and scored on different noise."] if has_best(cohort) else []),
        f"Evaluation protocol {cohort.protocols.get(card.key, 'unrecorded')}.",
    ]
    return escape(" ".join(parts))


def _tests(cohort: Cohort) -> list[str]:
    """Return the meaning of the groups, and the smallest difference that the seeds could have shown. The list is empty without tests."""
    words = (
        ["Entries with a common letter show no significant difference, which does not mean that they are equal."] if cohort.groups else []
    )
    smallest = cohort.power.smallest
    return words if smallest is None else [*words, smallest_words(smallest)]


def _noise(cohort: Cohort) -> list[str]:
    """Return the range of the half-sample standard errors over the entries. The text is empty without recorded errors."""
    errors = [noise.error for entry in cohort.entries if (noise := entry.noise(cohort.headline.key)) is not None]
    if not errors:
        return []
    low, high = number(min(errors)), number(max(errors))
    return [f"The half-sample standard error of one run is {low if low == high else f'{low} to {high}'}."]
