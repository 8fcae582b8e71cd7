"""Small PacGAN experiment on the grid of 25 modes: a GAN with and without packing, with a sixth of the published width.

The test asserts that both were measured, and prints the result. It does not require that one of them is better.
docs/metrics.md compares the numbers with those of the paper.
"""

from __future__ import annotations

import math
import statistics
import sys
from pathlib import Path

import pytest
import small
from scipy.stats import t as student

from bench.scheduling.suite import Entry, Suite
from bench.tracking.results import load

SEEDS = (0, 1, 2)
STEPS = 20_000  # generator updates
KEYS = ("modes/found", "modes/high_quality", "modes/reverse_kl", "modes/js_mixture")
SETTINGS = {"networks": "mlp-2d", "recipe.width": 32, "recipe.init": "default", "recipe.lr_g": 1e-3, "recipe.lr_d": 1e-3}
SMALL = Suite(
    name="pacgan-small",
    idea="a GAN against the same GAN packed, on the grid",
    entries=(Entry(variant="pacgan2", settings=SETTINGS), Entry(variant="gan-2d", settings=SETTINGS)),
    datasets=("grid25",),
    seeds=SEEDS,
    settings={"budget.generator_updates": STEPS, "evaluation.marks": 0, "device": "cpu"},
)


def paired(one: list[float], other: list[float]) -> tuple[float, float, float]:
    """Return the mean difference over seeds, and the lower and upper end of its 95 % Student-t interval."""
    differences = [a - b for a, b in zip(one, other, strict=True)]
    mean = statistics.mean(differences)
    half = student.ppf(0.975, len(differences) - 1) * statistics.stdev(differences) / math.sqrt(len(differences))
    return mean, mean - half, mean + half


@pytest.mark.slow
def test_packing_is_measured_against_not_packing(uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = small.execute(uri, tmp_path, suite=SMALL, workers=2)
    assert outcome.count("finished") == 2 * len(SEEDS)
    runs = load(uri, experiments=["pacgan-small"]).runs.query("kind == 'run'").sort_values("seed")
    values = {name: runs[runs["variant"] == name] for name in ("gan-2d", "pacgan2")}
    for key in KEYS:
        packed, plain = ([float(value) for value in values[name][key]] for name in ("pacgan2", "gan-2d"))
        assert len(packed) == len(plain) == len(SEEDS)
        assert all(map(math.isfinite, packed + plain))
        mean, low, high = paired(packed, plain)
        with capsys.disabled():
            sys.stdout.write(f"\n{key}: pacgan2 {packed}, gan-2d {plain}; difference {mean:.4g} [{low:.4g}, {high:.4g}]")
    assert (values["gan-2d"]["modes/found"] >= 1).all()
    assert (values["pacgan2"]["modes/found"] >= 1).all()
