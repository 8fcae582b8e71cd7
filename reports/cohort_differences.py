"""Sentences that explain why runs are in separate tables: choices of the user, changes of the harness or of an evaluation protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bench.metrics.columns import CARDS
from reports.cohort import Cohort, seed_words
from reports.format import join_words, shorten

SEPARATE = "so they are in separate tables."
MOST = 8  # names in a sentence


def chosen_differences(cohorts: Sequence[Cohort]) -> list[str]:
    """Return one sentence for each difference in data, budget, track or random streams that follow the seed."""
    found = []
    data = _distinct(cohort.dataset or "unrecorded data" for cohort in cohorts)
    if len(data) > 1:
        found.append(f"{_several(data)} are different data, {SEPARATE}")
    found += _within(cohorts, lambda cohort: cohort.budget, "had different budgets")
    found += _within(cohorts, lambda cohort: cohort.held_equal or "unrecorded", "are on different tracks")
    found += _within(
        cohorts, lambda cohort: cohort.varied or "seeds vary all random streams", "differ in the random streams that follow the seed"
    )
    return found


def measurement_differences(cohorts: Sequence[Cohort]) -> list[str]:
    """Return one sentence for the results version and one for the evaluation protocols, if they differ between runs with equal settings."""
    found = []
    if len({cohort.results_version for cohort in cohorts}) > 1:
        found.append("The harness changed its results between these runs. Runs of different results versions are in separate tables.")
    titles = [CARDS[key].title for key in CARDS if any(len(hashes) > 1 for hashes in _protocols(cohorts, key).values())]
    if titles:
        were = "was" if len(titles) == 1 else "were"
        found.append(
            f"{_several(titles)} {were} measured by more than one evaluation protocol. Such numbers cannot be compared, {SEPARATE}"
        )
    unknown = _distinct(
        f"{entry.name} {seed_words(seed)}"
        for cohort in cohorts
        if not cohort.recorded
        for entry in cohort.entries
        for seed in entry.runs["seed"]
    )
    if unknown:
        found.append(
            f"The evaluation protocol of {_several(unknown)} is unknown, because it cannot be read. Such numbers cannot be compared, {SEPARATE}"
        )
    return found


def _within(cohorts: Sequence[Cohort], words: Callable[[Cohort], str], differed: str) -> list[str]:
    """Return a sentence on what differs between runs on the same data. Runs on different data may differ."""
    by_data: dict[str, list[str]] = {}
    for cohort in cohorts:
        by_data.setdefault(cohort.dataset, []).append(words(cohort))
    several = {name: _distinct(own) for name, own in by_data.items() if len(set(own)) > 1}
    if not several:
        return []
    values = _distinct(value for own in several.values() for value in own)
    return [f"Runs on {_several(list(several))} {differed} ({'; '.join(shorten(values, MOST))}), {SEPARATE}"]


def _protocols(cohorts: Sequence[Cohort], key: str) -> dict[str, set[str]]:
    """Return the evaluation protocols of a metric by data, in cohorts that differ in nothing else."""
    found: dict[str, set[str]] = {}
    for cohort in cohorts:
        if cohort.why and key in cohort.protocols:
            found.setdefault(cohort.dataset, set()).add(cohort.protocols[key])
    return found


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _several(words: Sequence[str]) -> str:
    return join_words(shorten(words, MOST))
