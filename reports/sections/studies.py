"""Section on studies: the search for the recipe of each variant, and the gain from tuning on seeds that the search never used."""

from __future__ import annotations

from reports.document import Block, Heading, Section, Text
from reports.sections import study_plots, study_table, study_text
from reports.tuning_outcomes import TuningOutcome, tuning_outcomes
from reports.view import StudyResults, View

TITLE = "Studies"


def build(view: View) -> Section | None:
    """Return each study as text, tables and plots, or None if no study was recorded."""
    blocks = [
        block
        for index, searched in enumerate(view.studies)
        for found in (tuning_outcomes(searched),)
        for block in (*opening(searched, found, view), *pictures(searched, found, view, index))
    ]
    return Section(id="studies", title=TITLE, blocks=tuple(blocks)) if blocks else None


def opening(searched: StudyResults, found: list[TuningOutcome], view: View) -> list[Block]:
    """Return the text and the tables of a study."""
    study, palette = searched.study, view.palette
    blocks: list[Block] = [Heading(text=study.name)] if len(view.studies) > 1 else []
    if not searched.claims:
        blocks.append(Text(text=f"This is a trial run: {study.dataset or 'its data'} is too small to support conclusions.", tone="warning"))
    blocks.append(Text(text=study_text.lead(study, found), tone="lead"))
    if study.idea:
        blocks.append(Text(text=study.idea if len(view.studies) > 1 else f"{study.name}: {study.idea}"))
    if short := study_text.unfinished_search(study):
        blocks.append(Text(text=short, tone="warning"))
    blocks += [Text(text=study_text.recipe(study, outcome)) for outcome in found if outcome.tuning.tried]
    tables = (study_table.table(searched, found, palette), study_table.recipes(study, palette), study_table.reasons(study, palette))
    return [*blocks, *(table for table in tables if table is not None)]


def pictures(searched: StudyResults, found: list[TuningOutcome], view: View, index: int) -> list[Block]:
    """Return the plots of a study. `index` makes their ids differ from those of other studies."""
    study, palette = searched.study, view.palette
    return [
        *study_plots.tuned(study, found, palette, index),
        *study_plots.heat_maps(study, palette, index),
        *study_plots.slices_of(study, palette, index),
        *study_plots.importances(study, palette, index),
        *study_plots.fronts(study, palette, index),
        *study_plots.histories(study, palette, index),
        *study_plots.budget(study, palette, index),
    ]
