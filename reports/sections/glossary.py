"""Section on the meaning and the source of every number, from the metric cards."""

from __future__ import annotations

import math

from bench.metrics.columns import CARDS, SE, is_metric
from reports.cohort import numbers
from reports.document import Cell, Column, Row, Section, Table
from reports.power import POWER
from reports.sections import pairs, summary
from reports.view import View

TITLE = "Glossary"
NOT_SIGNIFICANT = (
    "n.s.: no significant difference. The test of a pair finds none after Holm's correction. This does not mean that the entries are equal: "
    "more seeds may show a difference."
)
SEEDS = (
    f"{pairs.SEEDS}: number of seeds of each of two entries with which the test finds their difference with {100 * POWER:.0f} % power, "
    "if the observed means and spreads are the true ones."
)
GROUP = f"{summary.GROUP}: letters of groups of entries. No pair within a group has a significant difference."
GROUPS = ("quality", "diversity", "modes", "memorisation", "fidelity", "cycle", "identity", "train", "perf")


def build(view: View) -> Section | None:
    """Return the cards of the metrics in these results, or None without any."""
    logged = set(view.results.curves["key"].unique())
    runs = view.results.runs
    keys = [key for key in CARDS if key in logged or any(not math.isnan(value) for value in numbers(runs, key))]
    if not keys:
        return None
    rows = []
    for key in sorted(keys, key=lambda key: GROUPS.index(CARDS[key].group) if CARDS[key].group in GROUPS else len(GROUPS)):
        card = CARDS[key]
        better = {"lower": "↓ lower is better", "higher": "↑ higher is better", "none": "neither"}[card.direction]
        cells = (
            Cell(text=card.title, tone="strong", detail=key),
            Cell(text=better),
            Cell(text=card.unit),
            Cell(text=card.meaning, detail=card.citation),
        )
        rows.append(Row(cells=cells))
    columns = tuple(Column(title=title, align="left") for title in ("metric", "better", "unit", "meaning"))
    return Section(id="glossary", title=TITLE, blocks=(Table(columns=columns, rows=tuple(rows), notes=_notes(view)),))


def _notes(view: View) -> tuple[str, ...]:
    """Return the definitions of the terms of the tests and of the standard error, as far as the report has them."""
    tested = any(pair.p is not None for cohort in view.cohorts for pair in cohort.comparisons)
    return (
        *((NOT_SIGNIFICANT,) if tested else ()),
        *((SEEDS,) if any(map(pairs.has_seeds, view.cohorts)) else ()),
        *((GROUP,) if any(cohort.groups for cohort in view.cohorts) else ()),
        *_errors(view),
    )


def _errors(view: View) -> tuple[str, ...]:
    """Return the definition of the standard error, if any was recorded."""
    if not any(str(name).endswith(SE) and is_metric(str(name)) for name in view.results.runs):
        return ()
    return (
        f"A half-sample standard error (the key and {SE}) is the standard deviation of the metric over 20 half-samples of the generated images or points. "
        "They are drawn without replacement. The error estimates how much the value changes when the same weights are sampled and measured again. It does not include training.",
    )
