"""Section on latent interpolation: each row of a strip shows samples between two latents."""

from __future__ import annotations

from bench.tracking.results import INTERPOLATION
from reports.document import Section
from reports.sections.common import by_cohort, gallery
from reports.view import View

TITLE = "Interpolation"
CAPTION = (
    "Each row goes from one latent to another in even steps. A conditional model keeps one class in each row. "
    "Smooth changes without repeated images are evidence against memorisation."
)


def build(view: View) -> Section | None:
    """Return a strip for each entry, or None if no run recorded one."""
    blocks = by_cohort(
        view, lambda cohort: gallery(cohort, view, INTERPOLATION, name="interpolation", alt="interpolations of", caption=CAPTION)
    )
    return Section(id="interpolation", title=TITLE, blocks=blocks) if blocks else None
