"""Section on memorisation: metrics of copied training images, and the closest training images side by side."""

from __future__ import annotations

from bench.metrics.columns import measured
from bench.tracking.results import NEAREST
from reports.cohort import Cohort
from reports.document import Block, Heading, Section
from reports.sections.common import by_cohort, gallery
from reports.sections.metric_tables import has_column, has_errors, median_cell, metric_table
from reports.view import View

TITLE = "Memorisation"
READING = (
    "Authenticity: share of generated images that are no nearer to a training image than training images are to each other. 0 means copies; "
    "unseen real images have a half to two thirds. C_T: about 0 is the value of new real images. Far below 0 means copies, far above 0 means images unlike the data. "
    "The row real contains training images, so it shows the values of pure copies. "
    "Half-samples overstate the standard error of C_T, because they leave too few images in many bins."
)
NEAREST_CAPTION = (
    "The generated images closest to a training image, the closest first; to the right of each is that training image. Identical pairs "
    "are copies. Similarity alone is not a copy if real images are similar too."
)


def build(view: View) -> Section | None:
    """Return a table and the closest training images of every cohort, or None if neither was recorded."""
    blocks = by_cohort(view, lambda cohort: [*_table(cohort, view), *_nearest(cohort, view)])
    return Section(id="memorisation", title=TITLE, blocks=blocks) if blocks else None


def _table(cohort: Cohort, view: View) -> list[Block]:
    keys = [key for key in measured() if key.startswith("memorisation/") and has_column(cohort, key)]
    if not keys:
        return []
    errors = " ± is the half-sample standard error of one run." if has_errors(cohort, keys) else ""
    caption = f"{cohort.setting}. Medians over finished runs.{errors} {READING}"
    return [metric_table(cohort, view.palette, keys, median_cell, caption=caption)]


def _nearest(cohort: Cohort, view: View) -> list[Block]:
    found = gallery(
        cohort, view, NEAREST, name="nearest", alt="generated images and their closest training images:", caption=NEAREST_CAPTION
    )
    return [Heading(text="Closest to a training image"), *found] if found else []
