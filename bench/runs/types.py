"""What goes into a run and what comes out: its place, its progress, its result, and the functions that watch and judge it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """What a watcher is told at every mark."""

    images: int
    share: float  # of the budget
    budget: str  # in words
    images_per_second: float
    scalars: Mapping[str, float]
    measured: Mapping[str, float]  # the last measurement
    measured_at: int = 0  # images when it was made
    flags: tuple[str, ...] = ()  # what is wrong with its training, as things stand


Watch = Callable[[RunProgress], None]


def ignore(progress: RunProgress) -> None:
    """Watch nothing."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and as what a run is recorded. Plain values: it travels to worker processes as JSON."""

    uri: str
    suite: str  # the MLflow experiment
    folder: str  # checkpoints lie in <folder>/<fingerprint>
    parent: str | None = None
    name: str = ""  # of the run; its variant and seed unless given
    track: str = "published"
    note: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)  # more of them: what a study says of a run
    extends: str = ""  # the finished run, and the fingerprint, whose last checkpoint this run goes on from
    extends_fingerprint: str = ""
    once: bool = False  # whether it is left alone where another process trains it, or has finished it
    wait: bool = False  # with `once`: whether to wait for the process that trains it
    checkpoint_seconds: float | None = None  # between two checkpoints, at least; `bench.runs.checkpointing.interval()` unless given


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    run_id: str
    variant: str
    dataset: str
    seed: int
    status: str
    reason: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)  # why a value is not-a-number


Judge = Callable[[RunProgress], str]


def worthwhile(progress: RunProgress) -> str:
    """Judge every run worth going on with."""
    return ""
