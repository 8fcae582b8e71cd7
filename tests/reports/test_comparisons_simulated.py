"""Error rate and power of the verdicts of complete reports, on variants with known differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.metrics.columns import FID_CLASSIFIER, card
from reports.comparisons import compare_all
from reports.stats import Sample

pytestmark = pytest.mark.slow

REPORTS = 1000
SEED_SD = 0.08  # the standard deviation of log FID over training seeds
Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
NOISES: dict[str, Noise] = {  # with mean 0 and standard deviation 1 (the heavy-tailed noise has no fourth moment)
    "normal": lambda random, shape: random.normal(size=shape),
    "skewed": lambda random, shape: random.gamma(2.0, size=shape) / np.sqrt(2.0) - np.sqrt(2.0),
    "heavy-tailed": lambda random, shape: random.standard_t(3, size=shape) / np.sqrt(3.0),
}


def decided(logs: np.ndarray) -> tuple[int, int]:
    """Return (pairs with a verdict, wrong verdicts) of a report on log FIDs [variants, seeds]."""
    samples = {f"{index:02d}": Sample(values=tuple(np.exp(row))) for index, row in enumerate(logs)}
    pairs = [pair for pair in compare_all(samples, card(FID_CLASSIFIER)) if pair.better is not None]
    return len(pairs), sum(int(str(pair.better)) > min(int(pair.a), int(pair.b)) for pair in pairs)


@pytest.mark.parametrize("noise", list(NOISES))
@pytest.mark.parametrize("variants", [8, 12])
@pytest.mark.parametrize("seeds", [3, 5])
def test_reports_on_identical_variants_hardly_ever_name_a_winner(noise: str, variants: int, seeds: int) -> None:
    random = np.random.default_rng([variants, seeds])
    wrong = sum(decided(3.5 + SEED_SD * NOISES[noise](random, (variants, seeds)))[0] > 0 for _ in range(REPORTS))
    assert wrong <= 0.05 * REPORTS


def test_variants_fifteen_percent_apart_are_mostly_told_apart_and_the_right_way_round() -> None:
    random = np.random.default_rng(0)
    means = 3.5 + np.log(1.15) * np.arange(8)[:, None]
    found = [decided(means + SEED_SD * random.normal(size=(8, 5))) for _ in range(200)]
    assert sum(count for count, _ in found) >= 0.6 * 28 * len(found)
    assert sum(wrong for _, wrong in found) <= 0.001 * 28 * len(found)
