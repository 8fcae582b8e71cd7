"""What a study is, and the plan that its workers follow."""

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
FIRST_SEARCH_SEED = 1_000_000  # the final runs have the seeds 0, 1, 2, ...: the two never meet
WORST = 1e9  # what a trial that diverged scores: finite, and worse than any


@dataclass(frozen=True, kw_only=True)
class Study:
    """A sweep over variants at equal cost: so many trials each, then the best and the default on seeds that chose nothing."""

    name: str
    idea: str
    entries: tuple[Entry, ...]
    space: str = "lr-k"
    dataset: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)  # for every entry
    trials: int = 30  # of each variant, the default among them
    search_seeds: int = 1  # of each trial
    search_samples: int = 0  # generated images by which a trial is judged, where final runs have more
    final_seeds: int = 3  # 0: no final runs
    objectives: tuple[str, ...] = ()  # one metric or two; none given: the headline of the data
    sampler: str = "tpe"
    sampler_seed: int = 0
    pruner: str = "median"


STUDIES: Registry[Study] = Registry("study", Study)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Objective(_Frozen):
    """A metric that trials are judged by, and which end of it is good."""

    key: str
    direction: Direction

    @property
    def worst(self) -> float:
        """What a trial scores that has no value."""
        return WORST if self.direction == "lower" else -WORST


class Arm(_Frozen):
    """One variant of a study: its own configuration, and what may be changed of it."""

    variant: str
    config: str  # resolved, as JSON, as it is trained in the search
    dimensions: tuple[Dimension, ...]
    overrides: dict[str, Any]  # what the study changed of the variant as registered
    note: str
    identity: str  # of the training, but for seed and what is searched

    @property
    def base(self) -> RunConfig:
        """The configuration without any trial's changes."""
        return load_config(self.config)

    @property
    def grid_size(self) -> int:
        """The points of a grid search."""
        return math.prod(dimension.size for dimension in self.dimensions)

    @property
    def defaults(self) -> dict[str, Any]:
        """Where the author's own numbers lie in the space."""
        return defaults_of(self.base, self.dimensions)

    def settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a point of the space changes, as `override` takes it."""
        return settings_of(self.base, self.dimensions, values)

    def options(self, settings: Mapping[str, Any]) -> str:
        """Settings after what the study itself changed, as the command line takes them; how it measures is left out."""
        whole = merged(self.overrides, settings)
        return as_options({path: value for path, value in whole.items() if not path.startswith("evaluation.")})


class Plan(_Frozen):
    """A study ready to run. Plain values: it travels to worker processes as JSON."""

    study: str
    idea: str
    space: Space
    arms: tuple[Arm, ...]
    objectives: tuple[Objective, ...]
    sampler: str
    sampler_seed: int
    pruner: str
    trials: int
    search_seeds: tuple[int, ...]
    final_seeds: tuple[int, ...]
    final_evaluation: dict[str, Any]  # paths and values: the final runs are measured in full
    uri: str  # of MLflow
    storage: str  # of Optuna
    folder: str  # of checkpoints
    parent: str = ""  # the MLflow run that stands for the study
    auto: dict[str, Choice] = {}  # what `auto` means, by kind of device, as far as the study left it open

    @property
    def judged_at_marks(self) -> bool:
        """Whether trials may be pruned by the headline of a run under way."""
        return self.pruner == "median"

    def identity(self, arm: Arm) -> dict[str, Any]:
        """What trials of a variant must share to be compared: it is kept with them."""
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
