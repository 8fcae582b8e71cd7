"""Memorisation: whether generated images are copies of training images, in figures and side by side."""

from __future__ import annotations

from bench.metrics.cards import measured
from bench.tracking.results import NEAREST
from reports.cohort import Cohort
from reports.document import Block, Heading, Section
from reports.sections.common import by_cohort, gallery
from reports.sections.metric_tables import has_column, has_errors, median_cell, metric_table
from reports.view import View

TITLE = "Memorisation"
READING = (
    "Authenticity: share of generated images that are no nearer to a training image than training images are to each other; 0 is copying, "
    "a half to two thirds is what unseen real images give. C_T: about 0 is right, far below 0 is copying, far above 0 is images unlike the data. "
    "The row real is of training images, so it shows what pure copying gives. "
    "The error of C_T is overstated: half-samples leave many of its cells too small."
)
NEAREST_CAPTION = (
    "The generated images that are closest to a training image, the closest first; right of each stands that training image. Pairs that "
    "differ in nothing are copies; likeness alone is not, where real images are alike too."
)


def build(view: View) -> Section | None:
    """A table and the nearest training images of every cohort; None where neither was recorded."""
    blocks = by_cohort(view, lambda cohort: [*_table(cohort, view), *_nearest(cohort, view)])
    return Section(id="memorisation", title=TITLE, blocks=blocks) if blocks else None


def _table(cohort: Cohort, view: View) -> list[Block]:
    keys = [key for key in measured() if key.startswith("memorisation/") and has_column(cohort, key)]
    if not keys:
        return []
    errors = " ± is the standard error of measuring one run." if has_errors(cohort, keys) else ""
    caption = f"{cohort.setting}. Medians over finished runs.{errors} {READING}"
    return [metric_table(cohort, view.palette, keys, median_cell, caption=caption)]


def _nearest(cohort: Cohort, view: View) -> list[Block]:
    found = gallery(cohort, view, NEAREST, name="nearest", alt="generated and nearest training images of", caption=NEAREST_CAPTION)
    return [Heading(text="Closest to a training image"), *found] if found else []
