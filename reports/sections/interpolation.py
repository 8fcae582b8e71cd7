"""Latent interpolation: each row of a strip walks from one latent to another."""

from __future__ import annotations

from bench.tracking.results import INTERPOLATION
from reports.document import Section
from reports.sections.common import by_cohort, gallery
from reports.view import View

TITLE = "Interpolation"
CAPTION = "Each row goes from one latent to another in even steps, of a conditional model each in a class of its own. Smooth change without repeats speaks against memorised images."


def build(view: View) -> Section | None:
    """A strip for each entry; None where no run kept one."""
    blocks = by_cohort(
        view, lambda cohort: gallery(cohort, view, INTERPOLATION, name="interpolation", alt="interpolations of", caption=CAPTION)
    )
    return Section(id="interpolation", title=TITLE, blocks=blocks) if blocks else None
