"""Suites: combinations of entries (variants with overrides), datasets and seeds. Each combination is one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.core.config import VARIANTS, RunConfig, config_for, merged
from bench.core.errors import UserError, nearest
from bench.core.registry import Registry
from bench.core.text import matches

MOST_SEEDS = 10_000
PUBLISHED, CONTROLLED, TUNED = "published", "controlled", "tuned"  # tracks


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Variant in a suite. `settings` are the differences from its registered recipe, and `note` is the reason for them."""

    variant: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    datasets: tuple[str, ...] | None = None  # on which it runs; None: all datasets of the suite

    def fits(self, dataset: str) -> bool:
        """Return whether the entry runs on a dataset."""
        return self.datasets is None or dataset in self.datasets


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Comparison of entries on datasets, with the same seeds and the same budget."""

    name: str
    idea: str
    entries: tuple[Entry, ...]
    datasets: tuple[str, ...] = ("auto",)
    seeds: tuple[int, ...] = (0, 1, 2)
    settings: Mapping[str, Any] = field(default_factory=dict)  # for every entry
    track: str = PUBLISHED  # PUBLISHED recipes, or CONTROLLED: equal in all settings but one


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a suite, with its configuration."""

    config: RunConfig
    note: str
    overrides: Mapping[str, Any]  # differences from the registered variant, without dataset and seed
    tags: Mapping[str, str] = field(default_factory=dict)  # further tags of the run
    name: str = ""  # of the run; default: its variant and seed


SUITES: Registry[Suite] = Registry("suite", Suite)


def plan(
    suite: Suite, *, only: str = "*", seeds: int | None = None, dataset: str | None = None, settings: Mapping[str, Any] | None = None
) -> list[PlannedRun]:
    """Return the runs of a suite, ordered by seed, so that every variant has one run before any variant has two. Raises UserError.

    `only` is a glob over variants, or several separated by commas. `seeds` is the number of seeds, which start at 0. `settings` override those of
    the suite.
    """
    cells = _cells(suite, only, dataset)
    option = next((path for path in ("dataset", "seed") if path in (settings or {})), None)
    if option:
        raise UserError(f"--set cannot change the {option}: use --{option}" + (", or --seeds for a suite" if option == "seed" else ""))
    if seeds is not None and not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"--seeds takes 1 to {MOST_SEEDS:,}, not {seeds}")
    chosen = suite.seeds if seeds is None else tuple(range(seeds))
    runs = [_plan_run(entry, suite, data, seed, settings or {}) for seed in chosen for data, entry in cells]
    return list({run.config.canonical(): run for run in reversed(runs)}.values())[::-1]  # `settings` may make entries equal


def _cells(suite: Suite, only: str, dataset: str | None) -> list[tuple[str, Entry]]:
    """Return the selected pairs of datasets and entries. Raises UserError if no pair is selected."""
    named = [entry for entry in suite.entries if matches(VARIANTS.canonical(entry.variant), only)]
    if not named:
        raise UserError(
            f"no variant of the suite {suite.name!r} matches {only!r}" + nearest(only, [entry.variant for entry in suite.entries])
        )
    cells = [(data, entry) for data in ((dataset,) if dataset else suite.datasets) for entry in named if entry.fits(data)]
    if not cells:
        good = list(dict.fromkeys(data for entry in named for data in entry.datasets or ()))
        which = "" if only == "*" else f" that matches {only!r}"
        raise UserError(
            f"the suite {suite.name!r} has no variant{which} for {dataset or ', '.join(suite.datasets)!r}" + nearest(dataset or "", good)
        )
    return cells


def _plan_run(entry: Entry, suite: Suite, dataset: str, seed: int, settings: Mapping[str, Any]) -> PlannedRun:
    overrides = merged(suite.settings, entry.settings, settings)
    config = config_for(entry.variant, {**overrides, "dataset": dataset, "seed": seed})
    return PlannedRun(
        config=config,
        note=_note(entry, suite.track),
        overrides={path: value for path, value in overrides.items() if path not in ("dataset", "seed")},
    )


def _note(entry: Entry, track: str) -> str:
    """Return the note of a run about its differences from the publication. On the controlled track, it is only the note of the entry."""
    published = VARIANTS.get(entry.variant).note if track == PUBLISHED else ""
    return "; ".join(part for part in (published, entry.note) if part)
