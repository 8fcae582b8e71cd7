"""Planted failures of translations. Each metric changes as the table says.

The tests measure digits by default. The tests of Fashion-MNIST are slow, and check the documented values, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from planted_tables import read_table, titled
from planted_translation import COLUMNS, FAILURES, HEADING, PERFECT, evidence_of, label, rows

from bench.core.config import DATASETS
from bench.evaluation.evaluator import Evaluator

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
DATA = [pytest.param("digits"), pytest.param("fashion-mnist", marks=pytest.mark.slow)]
# One word for each failure, in the order of FAILURES: the change from a perfect translation to the highest severity.
#                                         blur  shift noise check rows  one   copied hidden
TABLE = {
    # A set metric does not know which output belongs to which input.
    "quality/fid_classifier":              "rises rises rises rises stays rises rises rises",
    "fidelity/l1":                         "rises rises rises rises rises rises rises rises",
    "fidelity/psnr":                       "falls falls falls falls falls falls falls falls",
    "fidelity/ssim":                       "falls falls falls falls falls falls falls falls",
    "fidelity/feature_distance_classifier": "rises rises rises rises rises rises rises rises",
    "fidelity/class_accuracy":             "falls falls falls falls falls falls falls falls",
    # Networks that copy translate back without error. The last network hides the highest four of eight bits, so its error is small.
    "cycle/l1":                            "rises rises rises rises rises rises stays rises",
    "cycle/l1_noisy":                      "rises rises rises rises rises rises stays rises",
    # Only noise differs between two outputs for one input.
    "diversity/per_input":                 "stays stays rises stays stays stays stays stays",
    "diversity/effective_share":           "falls falls rises - stays falls falls falls",
    # Noise and checkerboards have period 2. A shift adds an edge at the border. Negatives have the power of their images.
    "quality/checkerboard":                "falls - rises rises stays falls stays falls",
}  # fmt: skip
SAME = 0.02  # as a share of the perfect value, or in the unit of the metric


@cache
def measured(name: str) -> Mapping[str, Mapping[str, float]]:
    return rows(Evaluator(DATASETS.get(name), errors=False))


def word(before: float, after: float) -> str:
    if abs(after - before) <= SAME * max(1.0, abs(before)):
        return "stays"
    return "rises" if after > before else "falls"


@pytest.mark.parametrize("name", DATA)
def test_metrics_move_as_the_table_says(name: str) -> None:
    found = measured(name)
    perfect = found[label(PERFECT, 0.0)]
    for key in COLUMNS:
        if not math.isfinite(perfect[key]):
            assert (name, key) == ("digits", "fidelity/ssim")  # their images are too small
            continue
        words = {failure.name: word(perfect[key], found[label(failure, failure.severities[-1])][key]) for failure in FAILURES}
        expected = dict(zip(words, TABLE[key].split(), strict=True))
        assert {failure: each for failure, each in words.items() if expected[failure] != "-"} == {
            failure: each for failure, each in expected.items() if each != "-"
        }, key


@pytest.mark.parametrize("name", DATA)
def test_severity_is_ordered(name: str) -> None:
    found = measured(name)
    for failure in FAILURES:
        values = [found[label(failure, severity)]["fidelity/l1"] for severity in (*failure.severities,)]
        assert values == sorted(values), failure.name


def test_hidden_information_is_lost_in_noise() -> None:
    found = measured("digits")
    hidden, perfect = found["input hidden"], found["truth"]
    assert perfect["cycle/l1_noisy"] < 2
    assert hidden["cycle/l1"] < 16
    assert hidden["cycle/l1_noisy"] > 5 * hidden["cycle/l1"]


def test_known_values() -> None:
    """A share of the rows with another output has this share of the error of all rows."""
    found = measured("digits")
    assert found["inputs copied 0.5"]["fidelity/l1"] == pytest.approx(found["inputs copied 1"]["fidelity/l1"] / 2, rel=0.02)
    assert found["checkerboard 16"]["fidelity/l1"] == pytest.approx(4 * found["checkerboard 4"]["fidelity/l1"], rel=0.02)
    copied = evidence_of(
        Evaluator(DATASETS.get("digits"), errors=False), next(each for each in FAILURES if each.name == "inputs copied"), 1.0
    )
    assert copied.value("fidelity/l1") == pytest.approx(float((2 * copied.truth.double() - 255).abs().mean()))
    copied.half_samples = ()


@pytest.mark.slow
def test_the_documented_table_is_measured_again() -> None:
    documented, found = read_table(PAGE.read_text(encoding="utf-8"), HEADING), measured("fashion-mnist")
    assert list(documented) == list(found)
    for row, values in found.items():
        for key in COLUMNS:
            assert values[key] == pytest.approx(float(documented[row][titled(key)]), rel=0.02, abs=0.002), (row, key)
