"""Document of a report: the given sections, with a subtitle, facts and warnings before them. It imports no section and so no plot library."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from bench.core.text import harmless, pluralise
from reports import cohort_differences
from reports.cohort import text
from reports.document import Document, Fact, Group, Section
from reports.format import join_words
from reports.view import View

SectionBuilder: TypeAlias = Callable[[View], Section | None]


def assemble(
    prepared: View, sections: Sequence[tuple[str, SectionBuilder]], *, title: str, notice: str = "", occasional: Collection[str] = (),
) -> Document:  # fmt: skip
    """Return a document of these sections, each given as title and function.

    The document omits a section without data and names it, unless it is one of the `occasional` ones. A document with a notice is
    provisional, and the notice is its first warning.
    """
    built = [(name, section(prepared)) for name, section in sections]
    return Document(
        title=title,
        subtitle=_subtitle(prepared),
        facts=_facts(prepared),
        warnings=(notice, *_warnings(prepared)) if notice else _warnings(prepared),
        groups=_groups(prepared),
        sections=tuple(section for _, section in built if section is not None),
        left_out=tuple(name for name, section in built if section is None and name not in occasional),
        provisional=bool(notice),
    )


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
