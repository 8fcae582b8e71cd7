"""Turn a study into a plan: resolve every configuration and check every name and combination before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.core.config import DATASETS, RESULTS_VERSION, VARIANTS, RunConfig, config_for, merged, override, paths
from bench.core.errors import UserError, nearest, one_line
from bench.evaluation.evaluator import Evaluator, evaluator_for, usual_samples
from bench.metrics.columns import TRAIN_SECONDS, card
from bench.runs.auto_choice import Auto, resolve
from bench.runs.preparation import check
from bench.scheduling.suite import MOST_SEEDS, SUITES, Entry
from bench.tracking.results import REFERENCES
from studies.kinds import check_kind
from studies.spaces import SPACES, Dimension, defaults_of, fitting, settings_of
from studies.study import FIRST_SEARCH_SEED, Arm, Plan, SearchObjective, Study

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("none", "median", "wilcoxon")
WILCOXON_SEEDS = 5  # the last test is after four seeds, where the smallest p is .0625 and the threshold is .1
MOST_POINTS = 1_000_000  # largest number of points of a grid
MOST_TRIALS = 100_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")  # also the name of an experiment, of folders and of locks


def plan(study: Study, *, uri: str, storage: str, folder: str, only: Sequence[str] = (), settings: Mapping[str, Any] | None = None) -> Plan:
    """Return the plan of a study. Raises UserError for anything invalid. Writes and trains nothing.

    `only`: the variants to search, by default all entries. `settings`: configuration paths and values for every entry.
    """
    _check_numbers(study)
    space = SPACES.get(study.space)
    entries = _chosen(study, only)
    own = next((path for path in ("dataset", "seed") if path in (settings or {})), None)
    if own:
        raise UserError(
            f"the {own} cannot be --set for a study" + (": use --dataset" if own == "dataset" else ": a study sets its seeds itself")
        )
    changed = [merged(study.settings, entry.settings, settings or {}) for entry in entries]
    clash = next((path for dimension in space.dimensions for path in dimension.targets if path in (settings or {})), None)
    if clash:
        raise UserError(f"{clash} cannot be --set: the space {space.name!r} searches it")
    auto = Auto(uri, study.name)
    resolved = [
        resolve(config_for(entry.variant, {**overrides, "dataset": study.dataset, "seed": FIRST_SEARCH_SEED}), auto)
        for entry, overrides in zip(entries, changed, strict=True)
    ]
    objectives = _objectives(study, resolved[0])
    headline = _evaluator(resolved[0]).headline
    searched = [_for_search(config, objectives, study.search_samples, headline) for config in resolved]
    dimensions = fitting(space, searched)
    for config, own_dimensions in zip(searched, dimensions, strict=True):
        _check_corners(config, own_dimensions)
    arms = tuple(
        Arm(
            variant=config.variant, config=config.canonical(), dimensions=own_dimensions, overrides=dict(overrides),
            note=_note(entry), identity=_identity(config, own_dimensions),
        )
        for entry, config, own_dimensions, overrides in zip(entries, searched, dimensions, changed, strict=True)
    )  # fmt: skip
    _check_combination(study, objectives, resolved[0])
    if study.sampler == "grid" and (largest := max(arm.grid_size for arm in arms)) > MOST_POINTS:
        raise UserError(f"--sampler grid: the space {space.name!r} has {largest:,} points, more than {MOST_POINTS:,}; use --sampler random")
    check_kind(storage)
    return Plan(
        study=study.name, idea=study.idea, space=space, arms=arms, objectives=objectives, by_headline=not study.objectives, sampler=study.sampler, sampler_seed=study.sampler_seed,
        pruner=study.pruner, trials=study.trials, search_seeds=tuple(range(FIRST_SEARCH_SEED, FIRST_SEARCH_SEED + study.search_seeds)),
        final_seeds=tuple(range(study.final_seeds)), final_evaluation=_evaluation(resolved[0]), uri=uri, storage=storage, folder=folder,
        auto=auto.used,
    )  # fmt: skip


def _chosen(study: Study, only: Sequence[str]) -> list[Entry]:
    """Return the entries of the named variants, by default all entries. A variant without an entry gets one with its defaults."""
    if not only:
        return list(study.entries)
    wanted = [VARIANTS.canonical(name) for name in only]
    own = {VARIANTS.canonical(entry.variant): entry for entry in study.entries}
    return [own.get(name, Entry(variant=name)) for name in dict.fromkeys(wanted)]


def _note(entry: Entry) -> str:
    return "; ".join(part for part in (VARIANTS.get(entry.variant).note, entry.note) if part)


def _objectives(study: Study, config: RunConfig) -> tuple[SearchObjective, ...]:
    evaluator = _evaluator(config)
    keys = study.objectives or (evaluator.headline,)
    if not 1 <= len(keys) <= 2 or len(set(keys)) < len(keys):
        raise UserError(f"--objective takes one metric, or two different ones, not {','.join(keys)!r}")
    known = [*evaluator.keys, TRAIN_SECONDS]
    found = []
    for key in keys:
        if key not in known:
            raise UserError(f"--objective {key!r} is not measured on {config.dataset}" + nearest(key, known))
        direction = card(key).direction
        if key == TRAIN_SECONDS:
            direction = "lower"
        if direction == "none":
            raise UserError(f"--objective {key!r} has no direction ({card(key).meaning}): choose another metric")
        found.append(SearchObjective(key=key, direction=direction))
    return tuple(found)


def _evaluator(config: RunConfig) -> Evaluator:
    """Return the evaluator of the dataset with all its metrics. Raises UserError if there is none."""
    found = evaluator_for(DATASETS.get(config.dataset), config.evaluation.model_copy(update={"metrics": ()}))
    if found is None:
        raise UserError(f"{config.dataset} has no metric, so a study cannot score its trials: choose another dataset")
    return found


def _for_search(config: RunConfig, objectives: Sequence[SearchObjective], samples: int, headline: str) -> RunConfig:
    """Return the configuration of the trials: evaluation computes only the objectives."""
    metrics = tuple(objective.key for objective in objectives if not objective.key.startswith("perf/")) or (headline,)
    evaluation: dict[str, Any] = {"evaluation.metrics": metrics, "evaluation.standard_errors": False, "evaluation.best": False}
    most = config.evaluation.samples or usual_samples(DATASETS.get(config.dataset))
    fewer = samples and samples < most
    return override(config, evaluation | ({"evaluation.samples": samples} if fewer else {}))


def _evaluation(config: RunConfig) -> dict[str, Any]:
    """Return the evaluation settings of the final runs."""
    return {f"evaluation.{name}": value for name, value in config.evaluation.model_dump(mode="json").items()}


def _check_corners(config: RunConfig, dimensions: Sequence[Dimension]) -> None:
    """Build the default and both ends of each dimension once, so that an invalid combination raises before the search."""
    check(config)
    defaults = defaults_of(config, dimensions)
    for dimension in dimensions:
        for value in dimension.probes():
            point = {**defaults, dimension.path: value}
            try:
                check(override(config, settings_of(config, dimensions, point)))
            except UserError as error:
                raise UserError(f"{config.variant} with {dimension.path}={value}: {error}") from error


def _identity(config: RunConfig, dimensions: Sequence[Dimension]) -> str:
    """Return the training's identity as readable lines: budget, data and every setting outside the search."""
    searched = {path for dimension in dimensions for path in dimension.targets}
    identity: dict[str, object] = {
        "results_version": RESULTS_VERSION,
        "variant_version": VARIANTS.get(config.variant).version,
        "data": f"{config.dataset} {DATASETS.get(config.dataset).digest()[:16]}",
    }
    if source := config.source():
        identity["variant_source"] = source
    identity |= {
        path: value
        for path, value in paths(config).items()
        if path not in searched and path != "seed" and not path.startswith("evaluation.")
    }
    return "\n".join(f"{path}={value}" for path, value in sorted(identity.items()))


def _check_numbers(study: Study) -> None:
    if not NAME.fullmatch(study.name):
        raise UserError(
            f"bad study name {one_line(repr(study.name), most=100)}: use 1 to 80 letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    if study.name in (*SUITES.names(), REFERENCES, "runs", "Default"):
        raise UserError(f"the name {study.name!r} belongs to an experiment that is not a study: choose another --name")
    for name, value, least, most in (
        ("--trials", study.trials, 1, MOST_TRIALS), ("--search-seeds", study.search_seeds, 1, MOST_SEEDS), ("--seeds", study.final_seeds, 0, MOST_SEEDS),
        ("search_samples", study.search_samples, 0, 10**9), ("--sampler-seed", study.sampler_seed, 0, 2**31 - 1),
    ):  # fmt: skip
        if not least <= value <= most:
            raise UserError(f"{name} takes {least} to {most:,}, not {value}")
    for name, given, known in (("sampler", study.sampler, SAMPLERS), ("pruner", study.pruner, PRUNERS)):
        if given not in known:
            raise UserError(f"unknown {name} {given!r}" + nearest(given, known))


def _check_combination(study: Study, objectives: Sequence[SearchObjective], config: RunConfig) -> None:
    """Raise a UserError for a combination of pruner, objectives and seeds that cannot work."""
    if len(objectives) > 1 and study.pruner != "none":
        raise UserError(
            f"--pruner {study.pruner} needs a single objective: with two, a running trial cannot be compared; use --pruner none"
        )
    if study.pruner == "wilcoxon" and study.search_seeds < WILCOXON_SEEDS:
        raise UserError(
            f"--pruner wilcoxon compares seeds: it needs --search-seeds {WILCOXON_SEEDS} or more, not {study.search_seeds}; or use --pruner median"
        )
    if study.pruner != "median":
        return
    headline = _evaluator(config).headline
    if objectives[0].key != headline:
        raise UserError(
            f"--pruner median judges running trials, which measure only {headline}, not {objectives[0].key}: use --pruner none or wilcoxon"
        )
    if not config.evaluation.marks:
        raise UserError("--pruner median needs evaluation points, and evaluation.marks=0: set at least 1, or --pruner none")
