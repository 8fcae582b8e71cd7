"""Functions of the command line that build a document from results and write it to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.core.text import harmless, pluralise
from bench.tracking.results import Results
from reports import cohort_differences, render
from reports.cohort import text
from reports.document import Document, Fact, Group, Section, Text
from reports.format import join_words
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
from reports.view import View, view

MODULES = (
    verdict, summary, across_datasets, seed_spread, studies, sample_grids, progress, quality_cost, pairs, agreement, modes, classes, texture, memorisation, training, interpolation, latents, health, provenance, glossary,
)  # fmt: skip
# The sections in reading order: title and function. The report lists the titles of sections without data.
SECTIONS: tuple[tuple[str, Callable[[View], Section | None]], ...] = tuple((module.TITLE, module.build) for module in MODULES)

FIRST = (verdict.TITLE, summary.TITLE, sample_grids.TITLE)  # the sections of a provisional report, which are fast to build
OCCASIONAL = (across_datasets.TITLE, seed_spread.TITLE, studies.TITLE, latents.TITLE, texture.TITLE)  # most results have no data for them


def build(results: Results, *, title: str, small: bool = False, provisional: str = "") -> Document:
    """Return the report on some results. A small report shows few samples.

    The report omits a section without data and names it. A provisional report has the first sections only, below `provisional`, a text that
    says so. Raise a UserError for results without any run."""
    prepared = view(results, small=small)
    built = [(name, section(prepared)) for name, section in SECTIONS if name in FIRST or not provisional]
    return Document(
        title=title,
        subtitle=_subtitle(prepared),
        facts=_facts(prepared),
        warnings=(provisional, *_warnings(prepared)) if provisional else _warnings(prepared),
        groups=_groups(prepared),
        sections=tuple(section for _, section in built if section is not None),
        left_out=tuple(name for name, section in built if section is None and _is_expected(name, results)),
    )


def _is_expected(title: str, results: Results) -> bool:
    """Return whether a reader expects this section, so that the report names its absence."""
    return title not in OCCASIONAL or (title == studies.TITLE and any(results.runs["study"]))


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


def _subtitle(prepared: View) -> str:
    entries = {entry.name for cohort in prepared.cohorts for entry in cohort.entries}
    data = join_words(sorted({cohort.dataset for cohort in prepared.cohorts}))
    if entries:
        return f"{pluralise(len(entries), 'variant')} compared on {data}, over training seeds"
    return "a search for recipes, without final runs on fresh seeds so far"


def _facts(prepared: View) -> tuple[Fact, ...]:
    facts = _of_runs(prepared) if prepared.cohorts else []
    studies = [searched.study for searched in prepared.studies]
    if studies:
        facts.append(Fact(label="studies" if len(studies) > 1 else "study", value=join_words([study.name for study in studies])))
    return tuple(facts)


def _of_runs(prepared: View) -> list[Fact]:
    runs = prepared.runs
    finished = int((runs["status"] == "finished").sum())
    started = runs["started"].dropna()
    facts = [
        Fact(label="data", value=join_words(sorted(set(runs["dataset"])))),
        Fact(label="budget a run", value=join_words(list(dict.fromkeys(cohort.budget for cohort in prepared.cohorts)))),
        Fact(label="track", value=join_words(list(dict.fromkeys(cohort.held_equal or "unrecorded" for cohort in prepared.cohorts)))),
        Fact(label="seeds", value=join_words([str(seed) for seed in sorted(set(runs["seed"])) if seed >= 0]) or "unrecorded"),
        Fact(label="runs", value=f"{finished} of {len(runs)} finished"),
    ]
    if len(started):
        facts.append(Fact(label="last run", value=f"{max(started):%Y-%m-%d}"))
    return facts


def _groups(prepared: View) -> tuple[Group, ...]:
    """Return one group for each variant, or for each entry if there is only one variant. The searches of a study belong to their variants."""
    variants = {name: name for searched in prepared.studies for name in (tuning.name for tuning in searched.study.tunings)}
    for cohort in prepared.cohorts:
        variants |= {entry.name: harmless(text(entry.runs["variant"].iloc[0])) for entry in cohort.entries}
    if len(set(variants.values())) == 1:
        variants = {name: name for name in variants}
    members: dict[str, list[str]] = {}
    for name, variant in sorted(variants.items()):
        members.setdefault(variant, []).append(name)
    return tuple(
        Group(name=variant, entries=tuple(names), colours=tuple(dict.fromkeys(prepared.palette[name].colour for name in names)))
        for variant, names in sorted(members.items())
    )


def _warnings(prepared: View) -> tuple[str, ...]:
    runs = prepared.runs
    every = prepared.results.runs[prepared.results.runs["kind"] == "run"]  # with the runs of searches
    trial_data = sorted(set(every[every["claims"] == "false"]["dataset"]))
    found = [
        f"{name} is too small to support conclusions: it is for tests and a first look. Do not quote these numbers." for name in trial_data
    ]
    unfinished = int(runs["status"].isin(["running", "interrupted"]).sum())
    if unfinished:
        found.append(
            f"{pluralise(unfinished, 'run')} {'is' if unfinished == 1 else 'are'} still running or interrupted: this report does not cover the whole suite."
        )
    seedless = int((every["seed"] < 0).sum())
    if seedless:
        found.append(
            f"{pluralise(seedless, 'run')} recorded no seed, and may repeat each other. The report shows only the newest of them for each entry."
        )
    found += cohort_differences.measurement_differences(prepared.cohorts)
    found += [f"The search of the study {name} cannot be read, so the report lacks its trials." for name in prepared.unread]
    return tuple(found)
