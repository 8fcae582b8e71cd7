"""Every measured metric, folded: a table a group, medians with the standard error of measuring."""

from __future__ import annotations

from bench.metrics.cards import card, measured
from reports.cohort import Cohort
from reports.document import Block
from reports.palette import Palette
from reports.sections.metric_tables import has_column, has_errors, median_cell, metric_table

GROUPS = ("quality", "diversity", "modes", "memorisation")


def tables(cohort: Cohort, palette: Palette) -> list[Block]:
    """The groups in order, metrics of one's own after the built-in ones; a metric that no run has is no column."""
    keys = [key for key in measured() if has_column(cohort, key)]
    found: list[Block] = []
    for group in dict.fromkeys((*GROUPS, *(card(key).group for key in keys))):
        own = [key for key in keys if card(key).group == group]
        errors = " ± is the standard error of measuring one run, not the spread of runs." if has_errors(cohort, own) else ""
        caption = f"{cohort.setting}. Medians over finished runs.{errors}"
        if own:
            found.append(metric_table(cohort, palette, own, median_cell, caption=caption, folded=f"Every metric of {group}"))
    return found
