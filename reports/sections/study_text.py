"""Sentences on a study: the gain from tuning, the recipe to use, and the importance of each setting."""

from __future__ import annotations

import math

from bench.core.text import pluralise
from bench.metrics.columns import Card
from reports import stats
from reports.cohort import text
from reports.format import interval, join_words, number, percent
from reports.plots.dimension_axis import setting_text
from reports.study import DimensionImportance, SearchDimension, SearchedStudy, Trial, Tuning
from reports.tuning_outcomes import DEFAULT, TuningOutcome
from reports.view import StudyResults

BIAS = "The best value of a search is biased, because it is the best of many. Only runs on fresh seeds measure the gain from tuning."
NEAR_EDGE = 0.05  # of a range
FEWEST = 5  # trials; with fewer, the position of the best trial and the share near it are random


def lead(study: SearchedStudy, outcomes: list[TuningOutcome]) -> str:
    """Return the gain from tuning, from the final runs alone."""
    if not any(tuning.tried for tuning in study.tunings):
        return "No trial of this study is complete, pruned or diverged yet."
    gains = [words for outcome in outcomes if (words := _gain(outcome))]
    if not gains:
        return f"The study has no final runs yet, so the gain from tuning is unknown. {BIAS}"
    return f"Tuned recipe against default recipe on fresh seeds, by {study.objective.title}: {'; '.join(gains)}."


def _gain(outcome: TuningOutcome) -> str:
    """Return one variant's part of the lead. The part is empty without final runs."""
    name, pair = outcome.tuning.name, outcome.pair
    if outcome.same:
        return f"{name} keeps the default recipe, the best one found"
    if pair is None:
        missing = [recipe for recipe, entry in (("tuned", outcome.tuned), ("default", outcome.default)) if entry is None]
        return "" if len(missing) > 1 else f"{name} is not tested, because the {missing[0]} recipe has no runs"
    if pair.p is None:
        return f"{name} is not tested: {pair.reason}"
    ratio = "" if pair.ratio is None else f", tuned {number(pair.ratio)} times as good {interval(pair.interval)}".rstrip()
    return f"{name} {pair.verdict}{' with the default recipe' if pair.better == DEFAULT else ''}{ratio}"


def setting(searched: StudyResults) -> str:
    """Return the search space, the sampler, the pruner, the seeds and the number of runs in words."""
    study = searched.study
    sampler = {"tpe": "TPE", "random": "random search", "grid": "a grid"}.get(study.sampler, study.sampler)
    pruner = {"none": "no pruning", "median": "the median pruner", "wilcoxon": "the Wilcoxon pruner"}.get(study.pruner, study.pruner)
    how = join_words([part for part in (sampler, pruner) if part])
    ranges = list(dict.fromkeys(_dimension(dimension, study) for dimension in study.dimensions))
    parts = [
        ", ".join(part for part in (study.dataset, f"{study.budget} a run" if study.budget else "") if part),
        f"Searched {study.space}: {join_words(ranges)}".replace(" :", ":") if ranges else "",
        f"{pluralise(study.trials_wanted, 'trial')} a variant" + (f" by {how}" if how else "") if study.trials_wanted else "",
        f"Search on {_seeds(study.search_seeds)}, final runs on {_seeds(study.final_seeds)}"
        if study.search_seeds and study.final_seeds
        else "",
        f"{pluralise(searched.search_runs, 'search run')}, not shown in other sections",
    ]
    return ". ".join(part for part in parts if part) + "."


def _seeds(seeds: tuple[int, ...]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + join_words([str(seed) for seed in seeds])


def _dimension(dimension: SearchDimension, study: SearchedStudy) -> str:
    """Return a dimension with its range, and its variants if not all have it."""
    owners = [tuning.name for tuning in study.tunings if dimension.of(tuning.variant)]
    return _range(dimension) + (f" for {join_words(owners) or 'none'}" if len(owners) < len(study.tunings) else "")


def _range(dimension: SearchDimension) -> str:
    also = f" (with {join_words([path.removeprefix('recipe.') for path in dimension.also])})" if dimension.also else ""
    if dimension.kind == "choice":
        return f"{dimension.name}{also} of {join_words([setting_text(choice) for choice in dimension.choices], last='or')}"
    span = (
        f"{setting_text(dimension.low)} to {setting_text(dimension.high)}"
        if dimension.kind != "int"
        else f"{dimension.low:g} to {dimension.high:g}"
    )
    return f"{dimension.name}{also} {span}{' (log)' if dimension.kind == 'log' else ''}"


def unfinished_search(study: SearchedStudy) -> str:
    """Return the variants with fewer trials than requested, in words. The text is empty without such a variant."""
    ended = {tuning.name: len(tuning.tried) + tuning.count("failed") for tuning in study.tunings}
    short = [f"{name} {n} of {study.trials_wanted}" for name, n in ended.items() if n < study.trials_wanted]
    return f"The search is not complete: {', '.join(short)} trials." if short else ""


def recipe(study: SearchedStudy, outcome: TuningOutcome) -> str:
    """Return the recipe that the search found for a variant, with its value, its importance and its sensitivity."""
    tuning = outcome.tuning
    if tuning.best is None:
        return f"{tuning.name}: {_nothing_found(tuning)}"
    best = next(trial for trial in tuning.trials if trial.number == tuning.best.number)
    parts = [
        f"{tuning.name}: {_advice(study, outcome, best)}",
        _against_default(study.objective, tuning, best),
        _edges(study, tuning, best),
        importance(tuning),
        sensitivity(study, tuning),
        f"The final runs have the recipe of trial {outcome.former_trial}, which was the best before" if outcome.former_trial else "",
    ]
    return ". ".join(part for part in parts if part) + "."


def _advice(study: SearchedStudy, outcome: TuningOutcome, best: Trial) -> str:
    """Return the recipe to use, if the final runs support one."""
    params = ", ".join(
        f"{dimension.name} {setting_text(best.params[dimension.path])}"
        for dimension in study.dimensions_of(outcome.tuning.variant)
        if dimension.path in best.params
    )
    found = f"{params} (trial {best.number} of {pluralise(len(outcome.tuning.trials), 'trial')})".removeprefix(" ")
    if best.default:
        return f"the default recipe is the best of {pluralise(len(outcome.tuning.trials), 'trial')}: {params}"
    better = None if outcome.pair is None else outcome.pair.better
    if better == DEFAULT:
        return f"keep the default recipe; the search's best, {found}, is significantly worse on fresh seeds"
    return f"use {found}" if better else f"the search's best is {found}"


def _nothing_found(tuning: Tuning) -> str:
    lost = tuning.count("diverged")
    if lost and lost == len(tuning.tried):
        return f"all {pluralise(lost, 'trial')} diverged or have no value, so there is no recipe to use."
    return "no trial is complete, so there is no recipe to use."


def _against_default(objective: Card, tuning: Tuning, best: Trial) -> str:
    default = tuning.default
    value = f"{objective.title} {number(best.values[0])} on the search's seeds"
    if default is None or best.default:
        return value
    state = number(default.values[0]) if default.values else default.state
    return f"{value}, the default recipe {state}"


def _edges(study: SearchedStudy, tuning: Tuning, best: Trial) -> str:
    """Return the dimensions whose best value lies at an edge of its range. The text is empty with few trials."""
    if len(tuning.tried) < FEWEST:
        return ""
    found = [dimension.name for dimension in study.dimensions_of(tuning.variant) if _at_edge(dimension, best.params.get(dimension.path))]
    return f"{join_words(found)} at the edge of the range: a wider range may contain a better value" if found else ""


def _at_edge(dimension: SearchDimension, value: object) -> bool:
    if dimension.kind == "choice" or isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    low, high, place = dimension.low, dimension.high, float(value)
    if dimension.kind == "log":
        if not min(low, high, place) > 0:
            return False
        low, high, place = math.log(low), math.log(high), math.log(place)
    if not high > low:
        return False
    if dimension.kind == "int":
        return place >= high or (place <= low and low > 1)  # a count of 1 cannot go lower
    return not NEAR_EDGE < (place - low) / (high - low) < 1 - NEAR_EDGE


def importance(tuning: Tuning) -> str:
    """Return the most important dimension, if one is clearly first, and the share of each dimension."""
    ranked = sorted(tuning.importance, key=lambda found: -found.mean)
    if not ranked:
        return ""
    shares = join_words([_share(found) for found in ranked])
    if len(ranked) == 1:
        return f"Share of the variance explained: {shares}"
    first, second = ranked[:2]
    clear = first.mean - _spread(first) > second.mean + _spread(second)
    most = f"{first.path.removeprefix('recipe.')} matters most" if clear else "No setting clearly matters most"
    return f"{most}; share of the variance explained: {shares}"


def _share(found: DimensionImportance) -> str:
    spread = "" if math.isnan(found.sd) else f" ± {found.sd:.2f}"
    return f"{found.path.removeprefix('recipe.')} {found.mean:.2f}{spread}"


def _spread(found: DimensionImportance) -> float:
    return 0.0 if math.isnan(found.sd) else found.sd


def near(study: SearchedStudy, tuning: Tuning) -> float | None:
    """Return the share of the trials near the best one, or None with few trials, or where the values have no ratio."""
    if len(tuning.tried) < FEWEST:
        return None
    values = [trial.values[0] for trial in tuning.trials if trial.values]
    return stats.near_best(values, len(tuning.tried) - len(values), study.objective.direction)


def sensitivity(study: SearchedStudy, tuning: Tuning) -> str:
    """Return the share of the trials near the best one in words."""
    share = near(study, tuning)
    return "" if share is None else f"{percent(share)} of the trials are within {percent(stats.NEAR)} of the best"


def reasons(study: SearchedStudy) -> list[tuple[Tuning, Trial]]:
    """Return the trials that have no value for a reason other than pruning."""
    return [(tuning, trial) for tuning in study.tunings for trial in tuning.trials if trial.state in ("diverged", "failed")]


def why(trial: Trial) -> str:
    """Return the reason why a trial has no value."""
    return text(trial.reason) or trial.state
