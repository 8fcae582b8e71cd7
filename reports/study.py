"""A study as sections read it: what was searched, and of each variant the trials and the best of them.

A study gives every variant the same number of trials. A trial is one recipe; its value on an objective is a mean over the search's seeds,
so the best of many trials is too good to be true: what a recipe is worth is said by the final runs, on seeds that the search never used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bench.core.text import matches, printable
from bench.metrics.cards import Card

DimensionKind = Literal["log", "linear", "int", "choice"]
State = Literal["complete", "pruned", "diverged", "failed", "running", "waiting"]
Setting: TypeAlias = str | int | float | bool | None

TRIED: tuple[State, ...] = ("complete", "pruned", "diverged")  # trials that say something of their recipe


@dataclass(frozen=True, kw_only=True)
class SearchDimension:
    """One setting that was searched. `variants` is a glob of those that have it, `also` names what it sets besides."""

    path: str
    kind: DimensionKind
    low: float = math.nan
    high: float = math.nan
    choices: tuple[Setting, ...] = ()
    also: tuple[str, ...] = ()
    variants: str = "*"

    @property
    def name(self) -> str:
        """The path as readers know it."""
        return self.path.removeprefix("recipe.")

    def of(self, variant: str) -> bool:
        """Whether a variant has it."""
        return matches(variant, self.variants)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One recipe. `values` has the objectives of a complete trial that did not diverge; `points` what was measured on the way."""

    number: int
    state: State
    values: tuple[float, ...] = ()
    default: bool = False
    reason: str = ""
    params: Mapping[str, Setting]
    images: int = 0
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class BestTrial:
    """The best trial of a variant, and its recipe as the settings ("path=value") that the command line takes."""

    number: int
    values: tuple[float, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DimensionImportance:
    """Share of the variance of the objective that a dimension explains, with its spread."""

    path: str
    mean: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The search of one variant."""

    variant: str
    trials: tuple[Trial, ...]
    best: BestTrial | None = None
    pareto: tuple[int, ...] = ()
    importance: tuple[DimensionImportance, ...] = ()
    importance_note: str = ""

    @property
    def name(self) -> str:
        """The variant as it may be shown."""
        return printable(self.variant)

    @property
    def tried(self) -> tuple[Trial, ...]:
        """The trials that say something of their recipe."""
        return tuple(trial for trial in self.trials if trial.state in TRIED)

    @property
    def default(self) -> Trial | None:
        """The trial of the author's recipe."""
        return next((trial for trial in self.trials if trial.default), None)

    def role(self, trial: str) -> str:
        """What a trial is, by its number as text: the tuned recipe, the default, both, or (empty) neither."""
        tuned = self.best is not None and str(self.best.number) == trial
        default = self.default is not None and str(self.default.number) == trial
        return ("both" if default else "tuned") if tuned else "default" if default else ""

    def count(self, state: State) -> int:
        """How many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)


@dataclass(frozen=True, kw_only=True)
class SearchedStudy:
    """A study of some variants over one space, by one or two objectives, the first of which ranks."""

    tag: str  # its name as its runs have it
    objectives: tuple[Card, ...]
    dimensions: tuple[SearchDimension, ...]
    tunings: tuple[Tuning, ...]  # in the order of names
    idea: str = ""
    dataset: str = ""
    budget: str = ""
    space: str = ""
    sampler: str = ""
    pruner: str = ""
    trials_wanted: int = 0
    search_seeds: tuple[int, ...] = ()
    final_seeds: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name as it may be shown."""
        return printable(self.tag)

    @property
    def objective(self) -> Card:
        """What trials are ranked by."""
        return self.objectives[0]

    def dimensions_of(self, variant: str) -> tuple[SearchDimension, ...]:
        """The dimensions that a variant has, one a path."""
        return tuple({dimension.path: dimension for dimension in self.dimensions if dimension.of(variant)}.values())

    def outcome(self, trial: Trial) -> float:
        """The value of a trial; of a pruned one what it had when it was stopped (over seeds the mean so far). NaN where there is none."""
        if trial.values:
            return trial.values[0]
        if trial.state != "pruned" or not trial.points:
            return math.nan
        values = [value for _, value in trial.points]
        return math.fsum(values) / len(values) if self.pruner == "wilcoxon" else values[-1]
