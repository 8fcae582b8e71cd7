"""Models of `study.json`, in which a study records its search. The writer (`studies.record`) and the reader (`reports.study_reader`) share them.

A field that a file lacks gets its default, so that the reader accepts files of earlier versions. Imports no torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Final = 1  # a new number means that a field is removed or changes its meaning
Number: TypeAlias = Annotated[int | float, Field(ge=-1e300, le=1e300)]
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**15)]
Seed: TypeAlias = Annotated[int, Field(ge=-(10**15), le=10**15)]
Point: TypeAlias = Annotated[list[Number], Field(min_length=2, max_length=2)]


class _Record(BaseModel):
    """Base class of records with JSON values. A number is never text, and never infinite."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class DimensionRecord(_Record):
    """Record of a searched setting. A range has `low` and `high`, and a choice has `choices`. `variants` is a glob of the variants that have it."""

    path: str
    kind: Literal["log", "linear", "int", "choice"]
    low: Number | None = None
    high: Number | None = None
    choices: list[Any] | None = None
    also: list[str] = []  # paths that get the same value
    variants: str = "*"


class SpaceRecord(_Record):
    """Record of a search space."""

    name: str = ""
    idea: str = ""
    dimensions: list[DimensionRecord] = []


class ObjectiveRecord(_Record):
    """Record of a metric that ranks trials, and of its direction."""

    key: str
    direction: Literal["lower", "higher"]


class TrialRecord(_Record):
    """Record of a trial, which tests one recipe. A diverged or unmeasurable trial is complete, with a huge value that ranks it last and a `reason`."""

    number: Count
    state: Literal["complete", "pruned", "failed", "running", "waiting"]
    values: list[Number] | None = None  # of the objectives; None unless it is complete
    default: bool = False  # whether its recipe is the variant's default
    diverged: bool = False
    reason: str = ""
    params: dict[str, Any] = {}  # values of the dimensions, by path
    settings: dict[str, Any] = {}  # changes to the variant's configuration
    images: Count = 0
    train_seconds: Number = 0.0
    intermediate: list[Point] = []  # [step, value]: images of an evaluation point, or the index of a seed
    run_ids: list[str] = []
    again: int | None = None  # number of the lost trial whose settings it repeats
    started: str = ""  # ISO 8601
    ended: str = ""


class BestRecord(_Record):
    """Record of the best trial by the first objective. `set` has its settings as options of the command line."""

    number: Count
    values: list[Number] = []
    settings: dict[str, Any] = {}
    params: dict[str, Any] = {}
    default: bool = False
    set: str = ""


class ImportanceRecord(_Record):
    """Record of the share of the score's variance that a dimension explains: mean and standard deviation over half-samples of the trials."""

    mean: Number
    sd: Number | None = None


class VariantRecord(_Record):
    """Record of the search of one variant."""

    trials: list[TrialRecord] = []
    best: BestRecord | None = None
    pareto: list[Count] = []  # numbers of the trials on the Pareto front of two objectives
    importance: dict[str, ImportanceRecord] | None = None  # by path; None if there are too few trials
    importance_note: str = ""


class StudyRecord(_Record):
    """Record of a study."""

    format: Literal[1]  # `FORMAT`
    study: str = ""
    idea: str = ""
    dataset: str = ""
    budget: str = ""  # of a run, in words
    space: SpaceRecord = SpaceRecord()
    objectives: Annotated[list[ObjectiveRecord], Field(min_length=1, max_length=2)]
    sampler: str = ""
    sampler_seed: int = 0
    pruner: str = ""
    trials_wanted: Count = 0  # of each variant
    search_seeds: list[Seed] = []
    final_seeds: list[Seed] = []
    variants: Annotated[dict[str, VariantRecord], Field(min_length=1)]
