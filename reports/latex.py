"""The leaderboard as LaTeX: a booktabs table for each cohort, every name escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from bench.core.text import printable
from bench.metrics.cards import BEST
from reports.cohort import Cohort, CohortEntry, numbers
from reports.format import NOTHING, number
from reports.sections.summary import has_best
from reports.stats import Summary
from reports.view import View

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after the end of a row these would be read as its options
    "−": "$-$", "∞": r"$\infty$", "–": "--", "±": r"$\pm$", "×": r"$\times$", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
    "\N{NO-BREAK SPACE}": "~", "\N{REPLACEMENT CHARACTER}": "?", '"': "''",
}  # fmt: skip
HEAD = "% Written by ganbench report --latex; needs \\usepackage{booktabs}."


def latex(view: View) -> str:
    """All leaderboards of a report, ready to be \\input."""
    return "\n".join([HEAD, *(_table(cohort) for cohort in view.cohorts)])


def escape(text: str) -> str:
    """Text that LaTeX shows as it is, on one line, with no character that it would act on."""
    apart = re.sub("-(?=-)", "-\0", printable(" ".join(text.split())))  # two hyphens would be a dash
    return "".join(ESCAPES.get(letter, letter) for letter in apart).replace("\0", "{}")


def _table(cohort: Cohort) -> str:
    best = has_best(cohort)
    columns = ["variant", f"{cohort.headline.title} {cohort.headline.arrow}, mean ± half-interval", "median"]
    columns += [*(["best checkpoint"] if best else []), "seeds", "finished"]
    summaries = {entry.name: entry.summary(cohort.headline.key) for entry in cohort.entries}
    rows = [_row(entry, cohort, summaries, best=best) for entry in cohort.entries]
    references = [_reference(str(name), value, len(columns)) for name, value in _references(cohort)]
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_caption(cohort)}}}",
        f"  \\label{{tab:ganbench-{cohort.index + 1}}}",
        f"  \\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
        r"    \toprule",
        f"    {' & '.join(map(escape, columns))} \\\\",
        r"    \midrule",
        *(f"    {row} \\\\" for row in rows),
        *([r"    \midrule"] if references else []),
        *(f"    {row} \\\\" for row in references),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _caption(cohort: Cohort) -> str:
    """Data, budget, track, protocol, and what the figures are."""
    card = cohort.headline
    parts = [f"{cohort.setting}."]
    if not cohort.claims:
        parts.append("A trial run: this data supports no claim.")
    if cohort.unmeasured:
        return escape(" ".join([*parts, "No metric exists for this data, so nothing is ranked."]))
    better = {"lower": "lower is better", "higher": "higher is better", "none": "neither end is better"}[card.direction]
    parts += [
        f"{card.title} ({better}): mean over training seeds ± half of its 95% Student-t interval, and median; the best in bold.",
        "A failed run counts as infinitely bad.",
        *_noise(cohort),
        *(["Best checkpoint: its median, chosen and scored on different noise."] if has_best(cohort) else []),
        f"Protocol {cohort.protocols.get(card.key, 'unrecorded')}.",
    ]
    return escape(" ".join(parts))


def _noise(cohort: Cohort) -> list[str]:
    """The standard error of measuring one run, over the entries; nothing where none was recorded."""
    errors = [noise.error for entry in cohort.entries if (noise := entry.noise(cohort.headline.key)) is not None]
    if not errors:
        return []
    low, high = number(min(errors)), number(max(errors))
    return [f"Measuring one run has a standard error of {low if low == high else f'{low} to {high}'}."]


def _row(entry: CohortEntry, cohort: Cohort, summaries: dict[str, Summary], *, best: bool) -> str:
    summary = summaries[entry.name]
    half = "" if summary.interval is None else f" ± {number(summary.interval.high - summary.mean)}"
    means, medians = [found.mean for found in summaries.values()], [found.median for found in summaries.values()]
    direction = cohort.headline.direction
    finished = int((entry.runs["status"] == "finished").sum())
    cells = [
        escape(entry.name),
        _bold(escape(f"{number(summary.mean)}{half}"), summary.mean, means, direction),
        _bold(escape(number(summary.median)), summary.median, medians, direction),
        *([escape(number(entry.summary(BEST + cohort.headline.key).median))] if best else []),
        str(len(entry.runs)),
        f"{finished}/{len(entry.runs)}",
    ]
    return " & ".join(cells)


def _bold(cell: str, value: float, values: Sequence[float], direction: str) -> str:
    """The cell, bold if its value is the best of the finite ones; equal ones share that."""
    finite = [other for other in values if math.isfinite(other)]
    if direction == "none" or not finite or value != (min(finite) if direction == "lower" else max(finite)):
        return cell
    return f"\\textbf{{{cell}}}"


def _references(cohort: Cohort) -> list[tuple[str, float]]:
    return list(zip(cohort.references["variant"], numbers(cohort.references, cohort.headline.key), strict=True))


def _reference(name: str, value: float, width: int) -> str:
    shown = NOTHING if math.isnan(value) else number(value)
    return " & ".join([escape(name), escape(shown), *[""] * (width - 2)])
