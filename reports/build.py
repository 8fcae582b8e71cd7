"""Functions of the command line that build a document from results and write it to files."""

from __future__ import annotations

from pathlib import Path

from bench.core.text import harmless
from bench.tracking.results import Results
from reports import render
from reports.assembly import SectionBuilder, assemble
from reports.document import Document, Text
from reports.sections import (
    across_datasets,
    agreement,
    classes,
    glossary,
    health,
    interpolation,
    latents,
    memorisation,
    modes,
    pairs,
    progress,
    provenance,
    quality_cost,
    sample_grids,
    seed_spread,
    studies,
    summary,
    texture,
    training,
    verdict,
)  # fmt: skip
from reports.sections.summary import PlainTable, plain_tables
from reports.view import view

MODULES = (
    verdict, summary, across_datasets, seed_spread, studies, sample_grids, progress, quality_cost, pairs, agreement, modes, classes, texture, memorisation, training, interpolation, latents, health, provenance, glossary,
)  # fmt: skip
# The sections in reading order: title and function. The report lists the titles of sections without data.
SECTIONS: tuple[tuple[str, SectionBuilder], ...] = tuple((module.TITLE, module.build) for module in MODULES)

OCCASIONAL = (across_datasets.TITLE, seed_spread.TITLE, studies.TITLE, latents.TITLE, texture.TITLE)  # most results have no data for them


def build(results: Results, *, title: str, small: bool = False) -> Document:
    """Return the report on some results. A small report shows few samples.

    The report omits a section without data and names it, if a reader expects it. Raise a UserError for results without any run."""
    of_study = any(results.runs["study"])
    occasional = [name for name in OCCASIONAL if not (name == studies.TITLE and of_study)]
    return assemble(view(results, small=small), SECTIONS, title=title, occasional=occasional)


def write(document: Document, out: Path) -> Path:
    """Write index.html, and report.md with its pictures, into a folder. Return the path of index.html."""
    return render.write(document, out)


def verdict_text(document: Document) -> str:
    """Return the verdict in a few sentences."""
    verdicts = next((section for section in document.sections if section.title == verdict.TITLE), None)
    texts = [block.text for block in verdicts.blocks if isinstance(block, Text) and block.tone in ("lead", "body")] if verdicts else []
    return harmless("\n\n".join(texts))


def summary_tables(results: Results) -> tuple[PlainTable, ...]:
    """Return the summary for a terminal: a text table for each cohort."""
    return plain_tables(view(results))
