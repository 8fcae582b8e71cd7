"""View of results for the sections: runs grouped into cohorts that may be compared, and within a cohort into entries.

The runs of a cohort share data, budget, track and results version. They also share the random streams that follow the seed, and the
evaluation protocol of every metric. No table mixes numbers that may not be compared. An entry is a variant under one configuration,
and its runs differ in the seed alone. The runs of a study's search are in no cohort,
because the search selects the best of them by its value. The final runs are in cohorts, as "dcgan (tuned)" and "dcgan (default)".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from bench.core.errors import UserError
from bench.core.text import harmless
from bench.metrics.columns import FID_CLASSIFIER, Card, card, is_metric, measured
from bench.tracking.results import Results
from reports import budget
from reports.budget import budget_of
from reports.cohort import Cohort, CohortEntry, numbers, text, version
from reports.palette import REFERENCES, Palette, palette
from reports.protocols import ProtocolGroup, agree, by_protocol, protocols_of
from reports.seed_spread import ALL
from reports.study import SearchedStudy, Tuning
from reports.study_reader import read_study

VARY = "param:vary"
ENDED = ("finished", "diverged", "failed", "pruned")
SEARCH, FINAL = "search", "final"  # phases of a study
# The roles of a final run's recipe in words; superseded: the best recipe before further trials.
ROLES = {"tuned": "tuned", "default": "default", "both": "default = best", "superseded": "tuned before"}


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyResults:
    """Record of a study with its final runs in cohorts, and the number of runs of its search."""

    study: SearchedStudy
    cohorts: tuple[Cohort, ...]
    search_runs: int
    claims: bool  # whether its data is large enough to support conclusions

    def final(self, tuning: Tuning, *roles: str) -> tuple[Cohort, CohortEntry] | None:
        """Return the newest entry of a variant's final runs in one of these roles, with its cohort. Without such an entry, return None."""
        wanted = {role_name(tuning.name, role) for role in roles}
        found = [(cohort, entry) for cohort in self.cohorts for entry in cohort.entries if entry.name in wanted]
        return max(found, key=lambda pair: pair[1].runs["started"].max()) if found else None


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """Record of results prepared for a report: cohorts, and one style for each entry."""

    results: Results
    cohorts: tuple[Cohort, ...]
    palette: Palette
    superseded: int  # older runs of the same configuration and seed; the report leaves them out
    studies: tuple[StudyResults, ...] = ()
    unread: tuple[str, ...] = ()  # studies of runs whose record is missing or damaged
    small: bool = False  # show few samples, and none of earlier training

    @property
    def runs(self) -> pd.DataFrame:
        """Every run in a cohort, once, with its entry's name."""
        if not self.cohorts:
            return self.results.runs.iloc[:0].assign(entry="")
        return pd.concat([cohort.runs for cohort in self.cohorts], ignore_index=True).drop_duplicates("run_id", ignore_index=True)


def view(results: Results, *, small: bool = False) -> View:
    """Return the results, grouped into cohorts and entries. Raise a UserError for results without any run or study."""
    runs = results.runs[results.runs["kind"] == "run"]
    studies = [study for recorded in results.studies if (study := read_study(recorded)) is not None]
    if runs.empty and not studies:
        raise UserError(
            f"there are no runs to report on in {', '.join(map(repr, results.experiments)) or 'any experiment'} at {results.uri}; train some first, for example with `ganbench suite quick`"
        )
    searched = runs["phase"] == SEARCH
    compared = _with_roles(runs[~searched], studies)
    cohorts = _cohorts(compared, results)
    newest = {run for cohort in cohorts for run in cohort.runs["run_id"]}
    return View(
        results=results,
        cohorts=cohorts,
        palette=_palette(cohorts, studies),
        superseded=len(compared) - len(newest),
        studies=tuple(_searched(study, runs, compared, results) for study in studies),
        small=small,
        unread=tuple(sorted({text(name) for name in runs["study"] if name} - {study.tag for study in studies})),
    )


def _searched(study: SearchedStudy, runs: pd.DataFrame, compared: pd.DataFrame, results: Results) -> StudyResults:
    """Return a study with its runs."""
    own = runs[runs["study"].map(text) == study.tag]
    finals = compared[(compared["study"].map(text) == study.tag) & (compared["role"] != "")]
    return StudyResults(
        study=study,
        cohorts=_cohorts(finals, results),
        search_runs=int((own["phase"] == SEARCH).sum()),
        claims=not bool((own["claims"] == "false").any()),
    )


def _cohorts(runs: pd.DataFrame, results: Results) -> tuple[Cohort, ...]:
    """Return runs with their roles, grouped into cohorts."""
    protocols = protocols_of(results)
    references = results.runs[(results.runs["kind"] == "reference") & results.runs["variant"].isin(REFERENCES)]
    cohorts: list[Cohort] = []
    for group in _grouped(runs):
        parts = by_protocol(_latest(_named(group)), protocols)
        cohorts += [_cohort(part, references, protocols, split=len(parts) > 1) for part in parts]
    titles = zip(cohorts, _titles(cohorts), strict=True)
    return tuple(replace(cohort, index=i, title=title) for i, (cohort, title) in enumerate(titles))


def _with_roles(runs: pd.DataFrame, studies: Sequence[SearchedStudy]) -> pd.DataFrame:
    """Return the runs with two columns: `role` (a key of `ROLES`, empty outside studies), and `current` (role as in the study's record).

    The study's record has priority over the role at the start of the run, because the best trial can change.
    """
    searches = {(study.tag, tuning.variant): tuning for study in studies for tuning in study.tunings}
    found = []
    for run in runs.to_dict("records"):
        recorded = text(run["recipe"]) if text(run["phase"]) == FINAL else ""
        tuning = searches.get((text(run["study"]), text(run["variant"]))) if recorded in ROLES else None
        now = "" if tuning is None else tuning.role(text(run["trial"]))
        found.append((now or (recorded if recorded in ROLES else ""), bool(now)))
    return runs.assign(role=[role for role, _ in found], current=[current for _, current in found])


def _palette(cohorts: Sequence[Cohort], studies: Sequence[SearchedStudy]) -> Palette:
    """Return a style for each entry. A variant of a study has the style of its tuned entry, or one of its own without such an entry."""
    names = {entry.name for cohort in cohorts for entry in cohort.entries}
    variants = {tuning.name for study in studies for tuning in study.tunings}
    tuned = {name: next((full for role in ("tuned", "both") if (full := role_name(name, role)) in names), name) for name in variants}
    styles = palette(names | set(tuned.values()))
    return styles | {name: styles[tuned[name]] for name in variants - names}


def role_name(variant: str, role: str) -> str:
    """Return the name of the entry of a variant's final runs in a role."""
    return f"{variant} ({ROLES[role]})"


def _grouped(runs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the runs of each dataset, budget, track, results version and random streams that follow the seed, in this order."""
    runs = runs if VARY in runs else runs.assign(**{VARY: ALL})
    columns = ["dataset", "track", "results_version", VARY, *(name for name in map(str, runs.columns) if name.startswith(budget.PREFIX))]
    keys = [
        (text(run["dataset"]), budget_of(run), text(run["track"]), version(run["results_version"]), _varied(run))
        for run in runs[columns].to_dict("records")
    ]
    for key in sorted(set(keys), key=lambda key: (key[0], key[1].order, key[2], key[3], key[4] != ALL, key[4])):
        yield runs[[other == key for other in keys]]


def _varied(run: Mapping[Any, Any]) -> str:
    """Return the random streams that follow the seed of a run. A run records them only if other streams are fixed."""
    return text(run.get(VARY)) or ALL


def _named(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with a column `entry`: the variant, its role in a study, and its settings if it has several configurations.

    If a role has several configurations, one has the plain name: the current one in the study's record, or else the newest one.
    """
    shared = ("param:seed", "param:dataset", "param:variant", "param:evaluation.", budget.PREFIX)
    settings = (name for name in map(str, runs.columns) if name.startswith("param:") and not name.startswith(shared))
    paths = [*settings, "variant_version", "variant_source"]
    runs = runs.assign(variant_version=runs["variant_version"].map(version))
    names = runs["variant"].map(text)
    roles = runs["role"].replace("both", "tuned")  # the best recipe may be the default one
    for key, group in runs.groupby(["variant", roles], sort=True):
        variant, role = map(text, key)
        differing = sorted(path for path in paths if group[path].map(text).nunique() > 1)
        newest = group.sort_values(["current", "started", "run_id"], na_position="first").iloc[-1]
        for row in group.index:
            words = [ROLES[text(group.at[row, "role"])]] if role else []
            if differing and not (role and all(text(group.at[row, path]) == text(newest[path]) for path in differing)):
                words += [f"{path.removeprefix('param:').removeprefix('recipe.')}={text(group.at[row, path])}" for path in differing]
            names[row] = harmless(f"{variant} ({', '.join(words)})" if words else variant)
    return runs.assign(entry=names)


def _latest(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one run for each entry and seed: the newest one that is not running, else the newest one."""
    ended = runs["status"].isin(ENDED)
    ordered = runs.assign(_ended=ended).sort_values(["_ended", "started", "run_id"], na_position="first")
    return ordered.drop_duplicates(["entry", "seed"], keep="last").drop(columns="_ended").sort_values(["entry", "seed", "run_id"])


def _cohort(part: ProtocolGroup, references: pd.DataFrame, protocols: dict[str, dict[str, str]], *, split: bool) -> Cohort:
    runs, known = part.runs, part.protocols
    first = runs.iloc[0]
    headline = _headline(runs, part.common)
    entries = [CohortEntry(name=str(name), runs=group.reset_index(drop=True)) for name, group in runs.groupby("entry", sort=True)]
    agreeing = references["run_id"].map(lambda run: agree(protocols.get(run, {}), known)).astype(bool)
    references = references[agreeing & (not part.unknown) & (references["dataset"] == first["dataset"])]
    references = references.assign(_known=[not math.isnan(value) for value in numbers(references, headline.key)])
    references = references.sort_values(["_known", "started", "run_id"], na_position="first").drop(columns="_known")
    return Cohort(
        index=0,
        dataset=text(first["dataset"]),
        length=budget_of(first.to_dict()),
        track=text(first["track"]),
        results_version=version(first["results_version"]),
        entries=tuple(sorted(entries, key=lambda entry: (*_rank(entry, headline), entry.name))),
        references=references.drop_duplicates("variant", keep="last").sort_values("variant"),
        headline=headline,
        protocols=dict(sorted(known.items())),
        why=_why(part, headline) if split or part.unknown else "",
        recorded=not part.unknown,
        vary=_varied(first.to_dict()),
    )


def _why(part: ProtocolGroup, headline: Card) -> str:
    """Return the difference of a group of runs from the others with the same settings, in words."""
    if part.unknown:
        return f"unknown evaluation protocol {part.unknown}"
    return f"evaluation protocol {part.protocols.get(headline.key, 'unrecorded')} of {headline.title}"


def _headline(runs: pd.DataFrame, common: Collection[str]) -> Card:
    """Return the metric that ranks the entries, of those in `common` if any of them is measured, else of all measured ones.

    It is the one that most runs recorded, else the first with a direction. Without any measurement, it is the recorded one. Runs without
    this record are ranked by classifier-FID.
    """
    recorded = [
        key
        for key, _ in Counter(text(key) or FID_CLASSIFIER for key in runs["headline"]).most_common()
        if is_metric(key) and card(key).direction != "none"
    ]
    others = [key for key in measured() if card(key).direction != "none"]
    ranking = sorted((*recorded, *others), key=lambda key: key not in common)
    found = (key for key in ranking if not all(map(math.isnan, numbers(runs, key))))
    return card(next(found, next(iter(recorded), FID_CLASSIFIER)))


def _rank(entry: CohortEntry, headline: Card) -> tuple[bool, float]:
    """Return the sort key of an entry: its median. Entries with failures and fewer than two finished runs are last."""
    median = entry.summary(headline.key).median
    value = math.inf if math.isnan(median) else -median if headline.direction == "higher" else median
    return entry.sample(headline.key).failed_out, value


def _titles(cohorts: Sequence[Cohort]) -> list[str]:
    """Return the differences of each cohort from the others. It is empty for a single cohort."""
    if len(cohorts) == 1:
        return [""]
    parts = [(c.budget, c.held_equal, f"results version {c.results_version}", c.varied, c.why) for c in cohorts]
    lengths = len({c.length for c in cohorts})  # their words differ between images and points
    telling = [lengths > 1, *(len({part[i] for part in parts}) > 1 for i in range(1, 5))]
    return [
        ", ".join([cohort.dataset, *(words for words, tells in zip(part, telling, strict=True) if tells and words)])
        for cohort, part in zip(cohorts, parts, strict=True)
    ]
