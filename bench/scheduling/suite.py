"""What a suite is: entries (a variant with overrides) x datasets x seeds, each cell of which is one run."""

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
    """A variant as a suite trains it. What differs from its registered recipe stands in `settings`, and `note` says why."""

    variant: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    datasets: tuple[str, ...] | None = None  # what it is for, where it is not for all of the suite's

    def fits(self, dataset: str) -> bool:
        """Whether it is for this data set."""
        return self.datasets is None or dataset in self.datasets


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A comparison: every entry on every dataset that it is for, with the same seeds and the same budget."""

    name: str
    idea: str
    entries: tuple[Entry, ...]
    datasets: tuple[str, ...] = ("auto",)
    seeds: tuple[int, ...] = (0, 1, 2)
    settings: Mapping[str, Any] = field(default_factory=dict)  # for every entry
    track: str = PUBLISHED  # what is held equal: published recipes, or all but one thing


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One cell of a suite, ready to run."""

    config: RunConfig
    note: str
    overrides: Mapping[str, Any]  # what differs from the variant as registered, dataset and seed apart
    tags: Mapping[str, str] = field(default_factory=dict)  # what else its run is tagged with
    name: str = ""  # of its run; its variant and seed unless given


SUITES: Registry[Suite] = Registry("suite", Suite)


def plan(
    suite: Suite, *, only: str = "*", seeds: int | None = None, dataset: str | None = None, settings: Mapping[str, Any] | None = None
) -> list[PlannedRun]:
    """The runs of a suite, seed by seed so that every variant has one before any has two.

    `only` is a glob over variants, or several with commas between, `seeds` a number of seeds from 0, `settings` go over the suite's own.
    """
    cells = _cells(suite, only, dataset)
    own = next((path for path in ("dataset", "seed") if path in (settings or {})), None)
    if own:
        raise UserError(f"the {own} cannot be --set: use --{own}" + (", or --seeds for a suite" if own == "seed" else ""))
    if seeds is not None and not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"--seeds takes 1 to {MOST_SEEDS:,}, not {seeds}")
    chosen = suite.seeds if seeds is None else tuple(range(seeds))
    return [_planned(entry, suite, data, seed, settings or {}) for seed in chosen for data, entry in cells]


def _cells(suite: Suite, only: str, dataset: str | None) -> list[tuple[str, Entry]]:
    """The data sets and entries of a suite that are chosen: at least one pair."""
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


def _planned(entry: Entry, suite: Suite, dataset: str, seed: int, settings: Mapping[str, Any]) -> PlannedRun:
    overrides = merged(suite.settings, entry.settings, settings)
    config = config_for(entry.variant, {**overrides, "dataset": dataset, "seed": seed})
    return PlannedRun(
        config=config,
        note=_note(entry, suite.track),
        overrides={path: value for path, value in overrides.items() if path not in ("dataset", "seed")},
    )


def _note(entry: Entry, track: str) -> str:
    """What differs from the publication; on a controlled track everything may, so only the entry's own note counts."""
    published = VARIANTS.get(entry.variant).note if track == PUBLISHED else ""
    return "; ".join(part for part in (published, entry.note) if part)
