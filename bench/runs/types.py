"""Inputs and outputs of a run: context, progress, result, and the callbacks for progress and pruning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """Progress of a run at a mark, a position of training at which values are logged."""

    images: int
    share: float  # fraction of the budget
    budget: str  # as text
    images_per_second: float
    scalars: Mapping[str, float]
    measured: Mapping[str, float]  # the last evaluation
    measured_at: int = 0  # images at the last evaluation
    headline: str = ""  # key of the metric that ranks the run. A resumed run keeps the one it began with
    flags: tuple[str, ...] = ()  # current health flags of its training


Watch = Callable[[RunProgress], None]


def ignore(progress: RunProgress) -> None:
    """Ignore the progress of a run."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Settings of where and how a run is recorded. All are plain values, because worker processes get them as JSON."""

    uri: str
    suite: str  # the MLflow experiment
    folder: str  # checkpoints are in <folder>/<fingerprint>
    parent: str | None = None
    name: str = ""  # name of the run; default: its variant and seed
    track: str = "published"
    note: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)  # further tags, for example those of a study
    extends: str = ""  # id and fingerprint of the finished run that this run extends from its last checkpoint
    extends_fingerprint: str = ""
    once: bool = False  # skip the run if it is complete, or if another process trains it
    wait: bool = False  # with `once`: wait for the other process instead of skipping the run
    checkpoint_seconds: float | None = None  # minimum time between two checkpoints; default: `bench.runs.checkpointing.interval()`


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Final status and values of a run."""

    run_id: str
    variant: str
    dataset: str
    seed: int
    status: str
    reason: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)  # why a value is NaN, by key
    headline: str = ""  # key of the metric that ranks the run. Empty without values


Judge = Callable[[RunProgress], str]  # returns the reason to prune the run, or ""


def never_prune(progress: RunProgress) -> str:
    """Return "", so that a run is never pruned."""
    return ""
