"""Planted failures: each metric moves as its card claims, monotonically in severity, and stays put where it should.

The digits are measured by default; Fashion-MNIST, whose documented numbers are checked too, is slow.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import pytest
import torch
from planted import FAILURES, Failure, real
from planted_paths import Path, Planted
from torch import Tensor

from bench.cards import card
from bench.config import DATASETS
from bench.evaluate import Evaluator
from bench.metrics.evidence import Evidence
from bench.metrics.modes import COLLAPSED_CLASSES, collapse
from bench.run import limited_threads

COLLAPSE = "modes/collapse"
NO_GENERATOR = "diversity/path_length"  # needs the generator of the images
DATA = [pytest.param("digits"), pytest.param("fashion-mnist", marks=pytest.mark.slow)]
SAMPLES = {"digits": 0, "fashion-mnist": 2000}  # as many as it takes for a path to be told from noise

FAILURE = {failure.name: failure for failure in FAILURES}
# The columns are the failures in their order. A failure starts from training images, but `copied` from test images: the very images
# that most metrics compare with, so that it falls from perfect to what training images have.
#                                    lost  repeat copied blur  noise negat plain blobs
TABLE = {
    "quality/fid_classifier":         "rises rises stays rises rises rises rises rises",
    "quality/fid_infinity_classifier": "rises rises stays rises rises rises rises rises",
    "quality/kid_classifier":         "rises rises stays rises rises rises rises rises",
    "quality/classifier_score":       "falls falls stays falls falls falls falls falls",
    # Lost classes leave good images, and precision is right not to see them. Few different digits, repeated, happen to be good ones.
    "quality/precision_classifier":   "stays rises falls falls falls falls falls falls",
    # A generated manifold of k = 3 neighbours shrinks to points where each image has three copies: recall sees repetition at once.
    # Bad images beside good ones do not shrink it; they may even reach further.
    "quality/recall_classifier":      "falls falls falls falls falls falls falls falls",
    "quality/density_classifier":     "stays falls falls falls falls falls falls falls",
    # Real balls are as they were, so coverage falls with the number of different images alone: slower than recall.
    "quality/coverage_classifier":    "falls falls stays falls falls falls falls falls",
    "quality/frechet_pixels":         "rises rises rises rises rises rises rises rises",
    # No scale: light noise fills the dark and blurs distances a little; half negatives are far from the other half, all of them are not.
    "diversity/pairwise_distance":    "falls falls stays falls rises turns turns turns",
    # A few strange images are more kinds of images; when all are strange they are one kind.
    "diversity/vendi_score":          "falls falls stays falls turns turns falls turns",
    # Blurred images, and blobs, look alike to the classifier. From one class there are too few images without repeating some.
    "diversity/duplicate_rate":       "rises rises stays rises stays stays stays rises",
    "modes/classes_covered":          "falls falls stays falls falls falls falls falls",
    "modes/class_kl":                 "rises rises stays rises rises rises rises rises",
    # Principal components average noise away, which bins of pixels hardly see.
    "modes/ndb":                      "rises rises stays rises stays rises rises rises",
    "modes/js_bins":                  "rises rises stays rises stays rises rises rises",
    # Repetition is collapse, bad images are not: they are not judged. Blurred digits look like few classes before they look like none.
    COLLAPSE:                         "rises rises stays rises stays stays stays stays",
    # The images are training images, and however few of them stay copies. Changing them makes "authentic" ones: no scale of quality.
    "memorisation/authenticity":      "stays stays falls rises rises rises rises rises",
    # The same. z-scores end at a ceiling that depends on how many images a cell holds, so severe failures are in no order; cells with
    # few images are left out, so that lost classes leave larger and more certain ones.
    "memorisation/ct_score":          "falls falls falls turns turns rises rises rises",
}  # fmt: skip
ONLY_FASHION: dict[str, str] = {}
OTHERWISE: dict[tuple[str, str], str] = {}  # Fashion-MNIST, where it differs
# Where a failure makes a metric look better than real images: no metric is to be read alone.
FOOLED = {("quality/precision_classifier", "each image repeated")}


@cache
def planted(name: str) -> Planted:
    return Planted(Evaluator(DATASETS.get(name), samples=SAMPLES[name]))


def expected(name: str, key: str, failure: str) -> str:
    """What the table says."""
    words = {**TABLE, **(ONLY_FASHION if name == "fashion-mnist" else {})}[key].split()
    word = words[[each.name for each in FAILURES].index(failure)]
    return OTHERWISE.get((key, failure), word) if name == "fashion-mnist" else word


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_metrics_move_with_the_severity_as_the_table_says(name: str, failure: Failure) -> None:
    measured = planted(name)
    keys = [key for key in measured.evaluator.keys if key != NO_GENERATOR]
    found = {key: measured.path(failure, key).word for key in keys}
    assert found == {key: expected(name, key, failure.name) for key in keys}
