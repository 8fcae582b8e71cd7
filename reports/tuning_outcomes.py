"""Gain from tuning: the tuned recipe of each variant against its default recipe, on seeds that the search never used."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reports.cohort import CohortEntry, text
from reports.comparisons import Comparison, compare, with_verdicts
from reports.stats import Sample
from reports.study import Tuning
from reports.view import StudyResults

TUNED, DEFAULT = "tuned", "default"


@dataclass(frozen=True, kw_only=True, eq=False)
class TuningOutcome:
    """Record of a variant's final runs on the first objective.

    `pair` compares tuned (a) with default (b). It is None if either is missing or both are the same."""

    tuning: Tuning
    key: str
    tuned: CohortEntry | None
    default: CohortEntry | None
    same: bool  # the default recipe is the best one found, so one entry is both
    pair: Comparison | None = None

    @property
    def samples(self) -> dict[str, Sample]:
        """The sample of each recipe that has runs."""
        entries = {DEFAULT: self.default, TUNED: None if self.same else self.tuned}
        return {name: data for name, entry in entries.items() if entry is not None and (data := entry.sample(self.key)).n}

    @property
    def former_trial(self) -> str:
        """The trial whose recipe the tuned runs have, if another trial is now the best. Otherwise the text is empty."""
        if self.tuned is None or self.same or self.tuning.best is None:
            return ""
        trial = text(self.tuned.runs["trial"].iloc[-1])
        return trial if trial and trial != str(self.tuning.best.number) else ""


def tuning_outcomes(searched: StudyResults) -> list[TuningOutcome]:
    """Return the final runs of every variant. The function compares the two recipes, with Holm's correction over the variants."""
    found = [_outcome(searched, tuning) for tuning in searched.study.tunings]
    pairs = iter(with_verdicts([outcome.pair for outcome in found if outcome.pair is not None]))
    return [outcome if outcome.pair is None else replace(outcome, pair=next(pairs)) for outcome in found]


def _outcome(searched: StudyResults, tuning: Tuning) -> TuningOutcome:
    objective = searched.study.objective
    key = objective.key
    tuned, default = searched.final(tuning, "tuned", "both"), searched.final(tuning, "default", "both")
    same = tuned is not None and default is not None and tuned[1] is default[1]
    found = TuningOutcome(tuning=tuning, key=key, tuned=tuned and tuned[1], default=default and default[1], same=same)
    if tuned is None or default is None or same:
        return found
    if tuned[0] is not default[0]:
        return replace(
            found, pair=Comparison(a=TUNED, b=DEFAULT, reason="the recipes differ in budget, data, version or evaluation protocol")
        )
    one, two = tuned[1].sample(key), default[1].sample(key)
    return replace(found, pair=compare(TUNED, DEFAULT, one, two, objective, tuned[0].reference_values(key)))
