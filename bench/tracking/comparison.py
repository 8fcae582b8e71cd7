"""The runs of an experiment that MLflow's pages may compare: which runs, how to group them, and their metrics. Does not import torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.metrics.columns import FID_CLASSIFIER, card, is_metric, is_standard_error
from bench.tracking import logged_images
from bench.tracking.tags import seed_of
from bench.tracking.view_state import GroupBy

if TYPE_CHECKING:
    from mlflow.entities import Run

RUN, REFERENCE = "run", "reference"  # values of the tag `kind`
FINAL, SUPERSEDED = "final", "superseded"  # phase and recipe of a run of a study (`bench.tracking.results.RUN_COLUMNS`)
BUDGETS = ("budget.images", "budget.generator_updates", "budget.train_seconds")
# Runs that differ in one of these may not be compared. So they group runs as soon as two runs of any variants differ.
SETTING_TAGS, SETTING_PARAMS = ("dataset", "track", "results_version"), (*BUDGETS, "vary")
# These and all other parameters group runs only if two runs of one variant differ.
OWN_TAGS = ("recipe", "variant_version", "variant_source", "protocol")
OTHER = (*SETTING_PARAMS, "seed", "dataset", "variant")  # parameters that do not distinguish configurations of a variant
Key = tuple[str, str]  # ("tag" or "param", name)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of the runs of an experiment."""

    kind: str  # RUN, or REFERENCE in the experiment of the reference rows
    query: str  # MLflow filter of the compared runs
    group_by: GroupBy
    headlines: tuple[str, ...]  # metrics that rank runs: one, unless the experiment has several kinds of data
    ascending: bool  # whether a low headline is better
    metrics: frozenset[str]  # of all runs, with those of MLflow's charts
    budgets: tuple[str, ...]  # parameters with the budget of runs
    lowest_seed: int  # of the compared runs
    last_image: int | None  # last step of the sample grids of the compared runs with the lowest seed, or None without such images


def compare(runs: Sequence[Run]) -> Comparison | None:
    """Return the comparison of an experiment's runs of any kind, or None if it has neither training runs nor reference rows.

    Finished runs are compared. In a study with final runs, only these are, without superseded recipes.
    """
    kind = next((kind for kind in (RUN, REFERENCE) if any(run.data.tags.get("kind") == kind for run in runs)), None)
    if kind is None:
        return None
    ours = [run for run in runs if run.data.tags.get("kind") == kind]
    finished = [run for run in ours if run.data.tags.get("status") == "finished"]
    final = [run for run in finished if run.data.tags.get("phase") == FINAL and run.data.tags.get("recipe") != SUPERSEDED]
    compared = final or finished or ours
    query = f"tags.kind = '{kind}' and tags.status = 'finished'"
    query += f" and tags.phase = '{FINAL}' and tags.recipe != '{SUPERSEDED}'" if final else ""
    is_search = not final and any(run.data.tags.get("phase") for run in finished)
    headlines = tuple(sorted({run.data.tags.get("headline") or FID_CLASSIFIER for run in compared}))
    lowest = min(seed_of(run.data.tags) for run in compared)
    return Comparison(
        kind=kind,
        query=query,
        group_by=_grouping(final or finished, split_variants=not is_search),
        headlines=headlines,
        ascending=not is_metric(headlines[0]) or card(headlines[0]).direction != "higher",
        metrics=frozenset(key for run in ours for key in run.data.metrics),
        lowest_seed=lowest,
        last_image=max((int(step) for run in compared if seed_of(run.data.tags) == lowest and (step := _last_step(run))), default=None),
        budgets=tuple(path for path in BUDGETS if any(_value(run, ("param", path)) not in ("", "None") for run in ours)),
    )


def standard_errors(metrics: frozenset[str]) -> list[str]:
    """Return the keys of standard errors among metrics, sorted. Earlier versions logged them as metrics."""
    return sorted(filter(is_standard_error, metrics))


def _last_step(run: Run) -> str:
    """Return the step of the newest image of a run, or an empty text if it has logged none."""
    step = _value(run, ("tag", logged_images.LAST))
    return step if step.isdecimal() and step.isascii() else ""


def _grouping(runs: Sequence[Run], *, split_variants: bool) -> GroupBy:
    """Return the tags and parameters that separate runs which may not be compared, and configurations of one variant."""
    chosen: list[Key] = [("tag", "variant")]
    common = [*(("tag", name) for name in SETTING_TAGS), *(("param", name) for name in SETTING_PARAMS)]
    chosen += [key for key in common if len({_value(run, key) for run in runs}) > 1]
    params = sorted({name for run in runs for name in run.data.params if name not in OTHER and not name.startswith("evaluation.")})
    groups = _split({(): list(runs)}, chosen)
    for key in [*(("tag", name) for name in OWN_TAGS), *(("param", name) for name in params)] if split_variants else ():
        finer = _split(groups, [key])
        if len(finer) > len(groups):
            chosen.append(key)
            groups = finer
    chosen.sort(key=lambda key: key[0] == "param")  # in the order of GroupBy; otherwise as chosen
    return GroupBy(
        tags=[name for mode, name in chosen if mode == "tag"],
        params=[name for mode, name in chosen if mode == "param"],
        groups=sorted(_split({(): list(runs)}, chosen)),
    )


def _split(groups: Mapping[tuple[str, ...], Sequence[Run]], keys: Sequence[Key]) -> dict[tuple[str, ...], list[Run]]:
    """Return the groups, each split by the values of some keys."""
    finer: dict[tuple[str, ...], list[Run]] = {}
    for values, runs in groups.items():
        for run in runs:
            finer.setdefault((*values, *(_value(run, key) for key in keys)), []).append(run)
    return finer


def _value(run: Run, key: Key) -> str:
    mode, name = key
    return str((run.data.tags if mode == "tag" else run.data.params).get(name, ""))
