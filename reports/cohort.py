"""Runs that may be compared, as sections read them: a cohort and in it the entries, each a variant under one configuration."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from bench.core.text import printable
from bench.metrics.cards import SE, Card, card, measured
from reports import stats
from reports.budget import Budget
from reports.format import NOTHING
from reports.stats import Comparison, Noise, Sample, Summary

TRACKS = {
    "published": "published recipes",
    "controlled": "controlled: one network, only the loss differs",
    "tuned": "recipes as their authors gave them, or tuned",
}
POINTS = "modes/high_quality"  # a metric that only points have
FIRST_VERSION = "1"  # of the harness and of every variant, when runs did not record them yet


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortEntry:
    """A variant under one configuration, with one run a seed (in the order of seeds)."""

    name: str
    runs: pd.DataFrame

    @cached_property
    def finished(self) -> pd.DataFrame:
        """The runs that finished."""
        return self.runs[self.runs["status"] == "finished"]

    def sample(self, key: str) -> Sample:
        """The outcomes on a metric, failures included."""
        return stats.sample(numbers(self.runs, key), self.runs["status"])

    def summary(self, key: str) -> Summary:
        """The sample of a metric in figures."""
        return stats.summarise(self.sample(key), card(key).direction)

    def finished_median(self, key: str) -> float:
        """The median over finished runs alone, for what a failed run has no value of; NaN without any."""
        values = numbers(self.finished, key)
        return float(pd.Series(values, dtype=float).median())

    def noise(self, key: str) -> Noise | None:
        """How much of the spread between the seeds is noise of measuring; None where no standard error was recorded."""
        return stats.noise(numbers(self.finished, key), numbers(self.finished, f"{key}{SE}"))

    def notes(self) -> list[str]:
        """What was recorded about how this entry differs from its publication."""
        return list(dict.fromkeys(note for note in self.runs["note"].map(text) if note))


@dataclass(frozen=True, kw_only=True, eq=False)
class Cohort:
    """Runs that may stand in one table. `why` says what sets it apart from its neighbours, where there are any."""

    index: int
    dataset: str
    length: Budget
    track: str
    results_version: str
    entries: tuple[CohortEntry, ...]  # by median of the headline metric, best first
    references: pd.DataFrame  # rows `real` and `untrained` of the same protocol
    headline: Card
    protocols: dict[str, str]  # of each metric, as far as recorded
    title: str = ""
    why: str = ""
    recorded: bool = True  # whether the protocols of its numbers are known

    @cached_property
    def runs(self) -> pd.DataFrame:
        """All runs with their entry's name, references not included."""
        return pd.concat([entry.runs.assign(entry=entry.name) for entry in self.entries], ignore_index=True)

    @property
    def claims(self) -> bool:
        """Whether results on this data may support a claim."""
        return not any((entry.runs["claims"] == "false").any() for entry in self.entries)

    @property
    def points(self) -> bool:
        """Whether the data are points of the plane, not images."""
        return POINTS in self.protocols or any(not math.isnan(value) for value in numbers(self.runs, POINTS))

    @property
    def things(self) -> str:
        """What the data are: images, or points."""
        return "points" if self.points else "images"

    @property
    def budget(self) -> str:
        """The budget in words."""
        return self.length.words.replace("real image", "real point") if self.points else self.length.words

    @property
    def held_equal(self) -> str:
        """The track in words: what is held equal between entries. Empty where it was not recorded."""
        return TRACKS.get(self.track, printable(self.track))

    @property
    def setting(self) -> str:
        """Data, budget and track in words, as captions have them."""
        return ", ".join(part for part in (printable(self.dataset), f"{self.budget} each", self.held_equal) if part)

    @property
    def unmeasured(self) -> bool:
        """Whether runs finished and no metric exists for their data."""
        return not self.protocols and bool((self.runs["status"] == "finished").any()) and not self.has_values

    @property
    def has_values(self) -> bool:
        """Whether any metric of quality was measured."""
        return any(not math.isnan(value) for key in measured() for value in numbers(self.runs, key))

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every pair of entries compared on the headline metric, the better median first."""
        return stats.compare_all({entry.name: entry.sample(self.headline.key) for entry in self.entries}, self.headline.direction)


def numbers(runs: pd.DataFrame, key: str) -> list[float]:
    """A metric's column as floats, NaN where a run or the whole frame lacks it; what is too large to calculate with is infinite."""
    values = [float(value) for value in runs[key]] if key in runs else [math.nan] * len(runs)
    return [math.copysign(math.inf, value) if abs(value) >= stats.LARGEST else value for value in values]


def text(value: object) -> str:
    """A tag as text; empty where it is missing."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT else str(value)


def seed_text(seed: int) -> str:
    """A training seed as tables have it; a dash where none was recorded."""
    return str(seed) if seed >= 0 else NOTHING


def seed_words(seed: int) -> str:
    """A training seed in words."""
    return f"seed {seed}" if seed >= 0 else "no seed recorded"


def settings_of(overrides: object) -> dict[str, Any]:
    """The settings that a run changed from its variant as registered, by path; none where they cannot be read."""
    try:
        settings = json.loads(text(overrides) or "{}")
    except (ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def version(value: object) -> str:
    """A version of the harness or of a variant; runs that recorded none are of the first."""
    return text(value) or FIRST_VERSION
