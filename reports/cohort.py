"""Cohorts: runs that may be compared. The entries of a cohort are variants under one configuration each."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from bench.metrics.columns import SE, Card, card, measured
from reports import comparisons, groups, power, stats
from reports.budget import RunBudget
from reports.comparisons import Comparison
from reports.format import NOTHING, join_words
from reports.power import TablePower
from reports.scores import ScoreScale
from reports.seed_spread import ALL, STREAMS
from reports.stats import Noise, Sample, Summary

TRACKS = {
    "published": "published recipes",
    "controlled": "controlled: one network, only the loss differs",
    "tuned": "default recipes and tuned recipes",
}
POINTS = "modes/high_quality"  # a metric only of points in the plane
FIRST_VERSION = "1"  # of the harness and the variants; runs without a recorded version have it


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortEntry:
    """Record of a variant under one configuration, with one run for each seed, in the order of seeds."""

    name: str
    runs: pd.DataFrame

    @cached_property
    def finished(self) -> pd.DataFrame:
        """The finished runs."""
        return self.runs[self.runs["status"] == "finished"]

    def sample(self, key: str) -> Sample:
        """Return the values of a metric, with failures."""
        return stats.sample(numbers(self.runs, key), self.runs["status"])

    def summary(self, key: str) -> Summary:
        """Return the statistics of a metric."""
        return stats.summarise(self.sample(key), card(key).direction)

    def finished_median(self, key: str) -> float:
        """Return the median over only the finished runs, or NaN without any value."""
        values = numbers(self.finished, key)
        return float(pd.Series(values, dtype=float).median())

    def noise(self, key: str) -> Noise | None:
        """Return the measurement noise of a metric, or None if no standard error was recorded."""
        return stats.noise(numbers(self.finished, key), numbers(self.finished, f"{key}{SE}"))

    def notes(self) -> list[str]:
        """Return the recorded differences from the publication's recipe."""
        return list(dict.fromkeys(note for note in self.runs["note"].map(text) if note))


@dataclass(frozen=True, kw_only=True, eq=False)
class Cohort:
    """Record of runs that may be in one table. `why` says how the cohort differs from others with the same settings."""

    index: int
    dataset: str
    length: RunBudget
    track: str
    results_version: str
    entries: tuple[CohortEntry, ...]  # by median of the headline metric, best first
    references: pd.DataFrame  # rows `real` and `untrained` of the same evaluation protocol
    headline: Card
    protocols: dict[str, str]  # the recorded evaluation protocol of each metric
    title: str = ""
    why: str = ""
    recorded: bool = True  # whether its evaluation protocols are known
    vary: str = ALL  # the random streams that follow the seed

    @cached_property
    def runs(self) -> pd.DataFrame:
        """All runs with their entry's name, without reference rows."""
        return pd.concat([entry.runs.assign(entry=entry.name) for entry in self.entries], ignore_index=True)

    @property
    def claims(self) -> bool:
        """Return whether the data is large enough to support conclusions (tag `claims`)."""
        return not any((entry.runs["claims"] == "false").any() for entry in self.entries)

    @property
    def points(self) -> bool:
        """Return whether the data are points in the plane, not images."""
        return POINTS in self.protocols or any(not math.isnan(value) for value in numbers(self.runs, POINTS))

    @property
    def things(self) -> str:
        """The kind of examples: "images" or "points"."""
        return "points" if self.points else "images"

    @property
    def budget(self) -> str:
        """The budget in words."""
        return self.length.words.replace("real image", "real point") if self.points else self.length.words

    @property
    def held_equal(self) -> str:
        """The track in words: what is equal for all entries. It is empty if the runs did not record it."""
        return TRACKS.get(self.track, self.track)

    @property
    def varied(self) -> str:
        """The random streams that follow the seed, in words. The text is empty if all follow it."""
        return "" if self.vary == ALL else f"seeds vary only {join_words([STREAMS.get(name, name) for name in self.vary.split(',')])}"

    @property
    def base_setting(self) -> str:
        """Data, budget and track in words, without the random streams that follow the seed."""
        return ", ".join(part for part in (self.dataset, f"{self.budget} each", self.held_equal) if part)

    @property
    def setting(self) -> str:
        """Data, budget, track and the random streams that follow the seed in words, for captions."""
        return ", ".join(part for part in (self.base_setting, self.varied) if part)

    @property
    def unmeasured(self) -> bool:
        """Return whether runs finished but ganbench has no metric for their data."""
        return not self.protocols and bool((self.runs["status"] == "finished").any()) and not self.has_values

    @property
    def has_values(self) -> bool:
        """Return whether any run has a value of a metric."""
        return any(not math.isnan(value) for key in measured() for value in numbers(self.runs, key))

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """The comparisons of all pairs of entries on the headline metric, the better median first."""
        return comparisons.compare_all(self.samples, self.headline, self.reference_values(self.headline.key))

    @cached_property
    def samples(self) -> dict[str, Sample]:
        """The values of the headline metric of each entry."""
        return {entry.name: entry.sample(self.headline.key) for entry in self.entries}

    @cached_property
    def power(self) -> TablePower:
        """The seeds that would decide each undecided pair, and the smallest difference that these seeds could have shown."""
        return power.table_power(self.samples, self.comparisons, self.headline)

    @cached_property
    def groups(self) -> dict[str, str]:
        """The letters of each entry's groups without a significant difference. It is empty without tests."""
        return groups.letters(list(self.samples), self.comparisons)

    @property
    def any_failed(self) -> bool:
        """True if a run of any entry failed."""
        return any(entry.sample(self.headline.key).failures for entry in self.entries)

    def reference_values(self, key: str) -> ScoreScale:
        """Return the values of the reference rows on a metric, or NaN for a missing one."""
        values = dict(zip(self.references["variant"], numbers(self.references, key), strict=True))
        return ScoreScale(untrained=values.get("untrained", math.nan), real=values.get("real", math.nan))


def numbers(runs: pd.DataFrame, key: str) -> list[float]:
    """Return a metric's column as floats: NaN if it is missing, infinite from `stats.LARGEST` on."""
    values = [float(value) for value in runs[key]] if key in runs else [math.nan] * len(runs)
    return [math.copysign(math.inf, value) if abs(value) >= stats.LARGEST else value for value in values]


def text(value: object) -> str:
    """Return a tag as text, or an empty text if the tag is missing."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT else str(value)


def seed_text(seed: int) -> str:
    """Return a training seed for a table, or a dash if none was recorded."""
    return str(seed) if seed >= 0 else NOTHING


def seed_words(seed: int) -> str:
    """Return a training seed in words."""
    return f"seed {seed}" if seed >= 0 else "no seed recorded"


def settings_of(overrides: object) -> dict[str, Any]:
    """Return the settings in which a run differs from the registered variant, by path, or no settings if they cannot be read."""
    try:
        settings = json.loads(text(overrides) or "{}")
    except (ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def version(value: object) -> str:
    """Return a version of the harness or of a variant. Runs without a recorded version have the first."""
    return text(value) or FIRST_VERSION
