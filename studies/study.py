"""The definition of a study and the plan for its workers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bench.core.config import RunConfig, load_config, merged
from bench.core.registry import Registry
from bench.runs.auto_choice import Choice
from bench.scheduling.suite import Entry
from studies.spaces import Dimension, Space, as_options, defaults_of, settings_of

Direction = Literal["lower", "higher"]
FIRST_SEARCH_SEED = 1_000_000  # the final runs have the seeds 0, 1, 2, ...: no overlap
WORST = 1e9  # score of a diverged trial: finite and worse than every other


@dataclass(frozen=True, kw_only=True)
class Study:
    """Record of a sweep over variants at equal cost: equal numbers of trials, then the best trial and the default on new seeds."""

    name: str
    idea: str
    entries: tuple[Entry, ...]
    space: str = "lr-k"
    dataset: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)  # for every entry
    trials: int = 30  # of each variant, including the default
    search_seeds: int = 1  # of each trial
    search_samples: int = 0  # generated images for the score of a trial; 0: as many as for final runs
    final_seeds: int = 3  # 0: no final runs
    objectives: tuple[str, ...] = ()  # one metric or two; empty: the headline of the dataset
    sampler: str = "tpe"
    sampler_seed: int = 0
    pruner: str = "median"


STUDIES: Registry[Study] = Registry("study", Study)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SearchObjective(_Frozen):
    """A metric for the score of trials, and its direction."""

    key: str
    direction: Direction

    @property
    def worst(self) -> float:
        """The score of a trial without a value."""
        return WORST if self.direction == "lower" else -WORST


class Arm(_Frozen):
    """One variant of a study: its configuration and its search dimensions."""

    variant: str
    config: str  # the resolved configuration of the search, as JSON
    dimensions: tuple[Dimension, ...]
    overrides: dict[str, Any]  # settings that the study changes in the registered variant
    note: str
    identity: str  # of the training, without the seed and the searched paths

    @property
    def base(self) -> RunConfig:
        """The configuration without the settings of a trial."""
        return load_config(self.config)

    @property
    def grid_size(self) -> int:
        """The number of points of a grid search."""
        return math.prod(dimension.size for dimension in self.dimensions)

    @property
    def defaults(self) -> dict[str, Any]:
        """The default value of each dimension by path."""
        return defaults_of(self.base, self.dimensions)

    def settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings for `override` from a point of the space."""
        return settings_of(self.base, self.dimensions, values)

    def options(self, settings: Mapping[str, Any]) -> str:
        """Return the study's overrides and these settings as options of the command line, without evaluation settings."""
        whole = merged(self.overrides, settings)
        return as_options({path: value for path, value in whole.items() if not path.startswith("evaluation.")})


class Plan(_Frozen):
    """A study that is ready to run. It contains plain values, because worker processes receive it as JSON."""

    study: str
    idea: str
    space: Space
    arms: tuple[Arm, ...]
    objectives: tuple[SearchObjective, ...]
    by_headline: bool = False  # the user names no objective
    sampler: str
    sampler_seed: int
    pruner: str
    trials: int
    search_seeds: tuple[int, ...]
    final_seeds: tuple[int, ...]
    final_evaluation: dict[str, Any]  # paths and values of the full evaluation
    uri: str  # of the MLflow store
    storage: str  # of the Optuna trials
    folder: str  # for checkpoints
    parent: str = ""  # id of the study's MLflow run
    auto: dict[str, Choice] = {}  # the choices for `auto`, by kind of device

    @property
    def judged_at_marks(self) -> bool:
        """True if the pruner judges trials by the headline at evaluation points (`marks`)."""
        return self.pruner == "median"

    def identity(self, arm: Arm) -> dict[str, Any]:
        """Return the settings that all trials of a variant must share. The storage records them with the trials."""
        return {
            "space": self.space.name,
            "range": [dimension.model_dump(mode="json") for dimension in arm.dimensions],
            "objective": [objective.model_dump(mode="json") for objective in self.objectives],
            "sampler": f"{self.sampler}, seed {self.sampler_seed}",
            "pruner": self.pruner,
            "seeds": list(self.search_seeds),
            "samples": arm.base.evaluation.samples,
            "marks": arm.base.evaluation.marks,
            "training": arm.identity,
        }
