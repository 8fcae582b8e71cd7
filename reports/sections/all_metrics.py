"""Folded tables of every measured metric, one table for each group: medians with the half-sample standard error."""

from __future__ import annotations

from bench.metrics.columns import card, measured
from reports.cohort import Cohort
from reports.document import Block
from reports.palette import Palette
from reports.sections.metric_tables import has_column, has_errors, median_cell, metric_table

GROUPS = ("quality", "diversity", "modes", "memorisation", "fidelity", "cycle", "identity")


def tables(cohort: Cohort, palette: Palette) -> list[Block]:
    """Return the tables in the order of groups, the user's own metrics after the built-in ones. A metric without values has no column."""
    keys = [key for key in measured() if has_column(cohort, key)]
    found: list[Block] = []
    for group in dict.fromkeys((*GROUPS, *(card(key).group for key in keys))):
        own = [key for key in keys if card(key).group == group]
        errors = " ± is the half-sample standard error of one run, not the spread of runs." if has_errors(cohort, own) else ""
        caption = f"{cohort.setting}. Medians over finished runs.{errors}"
        if own:
            found.append(metric_table(cohort, palette, own, median_cell, caption=caption, folded=f"Every metric of {group}"))
    return found
