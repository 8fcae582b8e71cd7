"""Records of a study for the sections: the search space, and for each variant its trials and the best one.

A study gives every variant the same number of trials. A trial is one recipe. Its value on an objective is a mean over the search's seeds.
The best value of many trials is biased, because it is partly luck. The final runs, on seeds that the search never used, measure a recipe without that bias.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bench.core.text import harmless, matches
from bench.metrics.columns import Card

DimensionKind = Literal["log", "linear", "int", "choice"]
State = Literal["complete", "pruned", "diverged", "failed", "running", "waiting"]
SettingValue: TypeAlias = str | int | float | bool | None

TRIED: tuple[State, ...] = ("complete", "pruned", "diverged")  # states of trials that measure their recipe


@dataclass(frozen=True, kw_only=True)
class SearchDimension:
    """Record of one searched setting. `variants` is a glob of the variants that have it. `also` lists further paths with the same value."""

    path: str
    kind: DimensionKind
    low: float = math.nan
    high: float = math.nan
    choices: tuple[SettingValue, ...] = ()
    also: tuple[str, ...] = ()
    variants: str = "*"

    @property
    def name(self) -> str:
        """The path without the prefix `recipe.`."""
        return self.path.removeprefix("recipe.")

    def of(self, variant: str) -> bool:
        """Return whether a variant has this dimension."""
        return matches(variant, self.variants)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Record of one recipe. `values` are the objectives of a complete trial that did not diverge.

    `points` are its intermediate values (step, value)."""

    number: int
    state: State
    values: tuple[float, ...] = ()
    default: bool = False
    reason: str = ""
    params: Mapping[str, SettingValue]
    images: int = 0
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class BestTrial:
    """Record of the best trial of a variant, and its recipe as settings ("path=value") for the command line."""

    number: int
    values: tuple[float, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DimensionImportance:
    """Record of the share of the objective's variance that a dimension explains: mean and standard deviation."""

    path: str
    mean: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Record of the search of one variant."""

    variant: str
    trials: tuple[Trial, ...]
    best: BestTrial | None = None
    pareto: tuple[int, ...] = ()
    importance: tuple[DimensionImportance, ...] = ()
    importance_note: str = ""

    @property
    def name(self) -> str:
        """The variant's name, escaped for a report."""
        return harmless(self.variant)

    @property
    def tried(self) -> tuple[Trial, ...]:
        """The trials that measure their recipe."""
        return tuple(trial for trial in self.trials if trial.state in TRIED)

    @property
    def default(self) -> Trial | None:
        """The trial of the variant's default recipe."""
        return next((trial for trial in self.trials if trial.default), None)

    def role(self, trial: str) -> str:
        """Return the role of a trial, by its number as text: "tuned", "default", "both", or "" for neither."""
        tuned = self.best is not None and str(self.best.number) == trial
        default = self.default is not None and str(self.default.number) == trial
        return ("both" if default else "tuned") if tuned else "default" if default else ""

    def count(self, state: State) -> int:
        """Return the number of trials in a state."""
        return sum(trial.state == state for trial in self.trials)


@dataclass(frozen=True, kw_only=True)
class SearchedStudy:
    """Record of a study of some variants over one space. It has one or two objectives. The first one ranks the trials."""

    tag: str  # its name as its runs record it
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
        """The study's name, escaped for a report."""
        return harmless(self.tag)

    @property
    def objective(self) -> Card:
        """The metric that ranks the trials."""
        return self.objectives[0]

    def dimensions_of(self, variant: str) -> tuple[SearchDimension, ...]:
        """Return the dimensions of a variant, one for each path."""
        return tuple({dimension.path: dimension for dimension in self.dimensions if dimension.of(variant)}.values())

    def outcome(self, trial: Trial) -> float:
        """Return the value of a trial. A pruned trial has its last intermediate value, or the mean of those values over seeds. Without a value, return NaN."""
        if trial.values:
            return trial.values[0]
        if trial.state != "pruned" or not trial.points:
            return math.nan
        values = [value for _, value in trial.points]
        return math.fsum(values) / len(values) if self.pruner == "wilcoxon" else values[-1]
