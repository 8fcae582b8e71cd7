"""Planted failures. Each metric changes with the severity of a failure as the table says.

The tests measure digits by default. The tests of Fashion-MNIST are slow, and check the documented values, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from planted import FAILURES, Failure, blobs, contaminated, partly_noise, real, repeated
from planted_paths import Planted
from planted_tables import (
    COLUMNS,
    FAILURES_HEADING,
    PHOTO_COLUMNS,
    PHOTO_HEADING,
    SCALE_HEADING,
    label,
    photo_evaluator,
    read_table,
    titled,
)
from torch import Tensor

from bench.core import random_streams
from bench.core.config import DATASETS
from bench.core.spec import Dataset
from bench.core.threads import limited_threads
from bench.evaluation.evaluator import Evaluator
from bench.evaluation.reference_rows import KINDS, reference_row
from bench.metrics.columns import FID_CLASSIFIER, SE, card
from bench.metrics.evidence import Evidence
from bench.metrics.extractors import photo
from bench.metrics.modes import COLLAPSED_CLASSES, collapse

COLLAPSE = "modes/collapse"
# Absolute tolerances of metrics of clusters, because clusters differ slightly between processors.
CLUSTERED = {"modes/ndb": 0.03, "modes/js_bins": 0.0, "memorisation/ct_score": 0.5}
NO_GENERATOR = "diversity/path_length"  # needs the generator of the images
OF_BALLS = tuple(f"quality/{name}_classifier" for name in ("precision", "density", "clipped_density", "clipped_coverage"))
UNTESTED = "-"  # the change is about as large as the noise
DATA = [pytest.param("digits"), pytest.param("fashion-mnist", marks=pytest.mark.slow)]
SAMPLES = {"digits": 0, "fashion-mnist": 2000}  # enough to distinguish changes from noise
HALF = {"digits": 250, "fashion-mnist": 5000}
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"

TIMES = FAILURES[1].severities  # copies of each image
# One column for each failure, in the order of FAILURES. Failures change training images. `copied` starts with test images, which have
# nearly the best values, because most metrics compare with them.
#                                     lost  repeat copied blur  noise negat plain blobs check thinned kinds
TABLE = {
    # Blur of 4 pixels makes a digit of 8 x 8 pixels flat, which is 3 % nearer to digits than blur of 2 pixels.
    "quality/fid_distilled":           "rises rises rises turns rises rises rises rises rises rises rises",
    "quality/fid_classifier":          "rises rises stays rises rises rises rises rises rises rises stays",
    "quality/fid_infinity_classifier": "rises rises stays rises rises rises rises rises rises rises stays",
    "quality/kid_classifier":          "rises rises stays rises rises rises rises rises rises rises stays",
    "quality/classifier_score":        "falls falls stays falls falls falls falls falls stays falls stays",
    # Images of the remaining classes are still good, so precision does not change. The few repeated digits happen to be good images.
    "quality/precision_classifier":    "stays rises falls falls falls falls falls falls falls stays stays",
    # If each image occurs four times, the balls of k = 3 neighbours are points, so recall is 0. Bad images do not change the balls
    # of good images, so recall hardly changes until no good image is left.
    "quality/recall_classifier":       "falls falls falls falls falls falls falls falls falls falls falls",
    "quality/density_classifier":      "stays falls falls falls falls falls falls falls falls stays stays",
    # Coverage uses the balls of real images, so it falls with the number of different images, but less than recall.
    "quality/coverage_classifier":     "falls falls stays falls falls falls falls falls falls falls -",
    # Both metrics fall in proportion to the share of bad images. Missing images lower coverage only.
    "quality/clipped_density_classifier":  "stays falls stays falls falls falls falls falls falls stays stays",
    "quality/clipped_coverage_classifier": "falls falls stays falls falls falls falls falls falls falls falls",
    # The test images themselves have the value 0, other real images 0.5, and bad images up to 1.
    "quality/nn_accuracy_classifier":           "rises rises rises rises rises rises rises rises rises rises stays",
    "quality/nn_accuracy_generated_classifier": "rises rises rises rises rises rises rises rises rises rises stays",
    "quality/nn_accuracy_real_classifier":      "rises rises rises rises rises rises rises rises rises rises stays",
    "quality/frechet_pixels":          "rises rises rises rises rises rises rises rises rises rises stays",
    # A negative has the power of its image. Without the last class, digits happen to match the real power at high frequencies better.
    "quality/spectrum":                "rises rises stays rises rises stays rises rises rises rises stays",
    "quality/spectrum_high":           "turns rises stays rises rises stays rises rises rises rises stays",
    # This metric is no scale of quality. Negatives are far from other images, but as far from each other as before.
    "diversity/pairwise_distance":     "falls falls stays falls turns turns turns turns falls falls stays",
    # A few bad images are additional kinds of images. If all images are bad, they are one kind.
    "diversity/vendi_score":           "falls falls stays falls turns turns falls turns stays falls stays",
    # All failures except the checkerboard make images of a class more similar, or remove classes. Training and test images are as varied.
    "diversity/class_vendi":           "falls falls stays falls falls falls falls falls stays falls falls",
    "diversity/class_vendi_least":     "falls falls stays falls falls falls falls falls stays falls falls",
    # Features of blurred images and of blobs are similar. One class has fewer digits than measured images, so some digits repeat.
    "diversity/duplicate_rate":        "rises rises stays rises stays stays stays rises stays rises rises",
    "modes/classes_covered":           "falls falls stays falls falls falls falls falls stays falls stays",
    "modes/class_kl":                  "rises rises stays rises rises rises rises rises stays rises stays",
    # Noise averages out over a principal component.
    "modes/ndb":                       "rises rises stays rises stays rises rises rises stays rises -",
    "modes/js_bins":                   "rises rises stays rises stays rises rises rises stays rises rises",
    # Bad images are no collapse. If all images are bad, there is no verdict. Some blur makes the digits look like few classes.
    COLLAPSE:                          "rises rises stays rises stays stays stays stays stays rises stays",
    # Training images are copies, whatever their number. Damage makes them authentic, so this metric is no scale of quality.
    "memorisation/authenticity":       "stays stays falls rises rises rises rises rises rises stays stays",
    # Copies score far below 0, and lowest in few cells with many images. z-scores have a maximum that depends on the cells with more
    # than 20 images, so the order of values has no meaning if all images are bad.
    "memorisation/ct_score":           "falls falls falls turns rises rises rises rises rises falls stays",
}  # fmt: skip
# This metric is no scale of quality, because noise images differ more from each other than real images.
ONLY_FASHION = {"diversity/ms_ssim_2": "rises rises stays rises falls turns falls turns stays rises stays"}
# Changes that differ with Fashion-MNIST.
OTHERWISE = {
    # The distilled network of Fashion-MNIST rates heavy blur as worse than light blur. Training images differ from test images only a little.
    ("quality/fid_distilled", "blur"): "rises",
    ("quality/fid_distilled", "training images copied"): "stays",
    # Heavy blur turns images into silhouettes. In features of the classifier, silhouettes are closer to real images of their class.
    # The metric quality/frechet_pixels does not depend on the classifier, so it is always reported, too.
    ("quality/fid_classifier", "blur"): "turns",
    ("quality/kid_classifier", "blur"): "turns",
    ("quality/precision_classifier", "blur"): "turns",
    ("quality/density_classifier", "blur"): "turns",
    ("memorisation/authenticity", "blur"): "turns",
    ("memorisation/ct_score", "blur"): "rises",
    # The images of some classes are closer to each other, so precision changes by 3 % with the shares of classes.
    ("quality/precision_classifier", "classes lost"): "turns",
    ("quality/density_classifier", "classes lost"): "falls",
    # The 2,000 images are copies of 4 images. Standard errors assume 2,000 different images, so the choice of the 4 looks significant.
    ("quality/precision_classifier", "each image repeated"): "turns",
    ("quality/density_classifier", "each image repeated"): "turns",
    # The first images are 2,000 of the 10,000 test images, and cover themselves. The other 8,000 are as near to training images.
    ("quality/recall_classifier", "training images copied"): "stays",
    ("quality/coverage_classifier", "training images copied"): "falls",
    ("quality/frechet_pixels", "training images copied"): "stays",
    # A class has 6,000 different images. The classifier distinguishes blobs better than the classifier of digits.
    ("diversity/duplicate_rate", "classes lost"): "stays",
    ("diversity/duplicate_rate", "grey blobs"): "stays",
    # The images of nine classes happen to match the real power better than those of one class.
    ("quality/spectrum", "classes lost"): "turns",
    ("quality/spectrum_high", "blur"): UNTESTED,
    # With a pattern on every image, there seem to be more kinds, and some classes resemble others. 64 principal components hardly change.
    ("diversity/vendi_score", "blur"): "turns",
    ("diversity/vendi_score", "checkerboard"): "turns",
    ("diversity/class_vendi_least", "checkerboard"): "falls",
    ("diversity/pairwise_distance", "checkerboard"): UNTESTED,
    ("quality/classifier_score", "checkerboard"): "falls",
    ("quality/frechet_pixels", "checkerboard"): "stays",
    ("modes/class_kl", "checkerboard"): "rises",
    ("diversity/pairwise_distance", "noise"): "rises",
    # The images of some classes lie in fewer real neighbourhoods than those of others.
    ("quality/clipped_density_classifier", "classes lost"): UNTESTED,
    ("quality/clipped_density_classifier", "classes thinned"): "falls",
    ("quality/precision_classifier", "classes thinned"): UNTESTED,
    ("quality/spectrum_high", "classes thinned"): "stays",
    # The class has 200 images. Distances change, but by a few standard errors at most.
    ("quality/fid_classifier", "few kinds in one class"): "rises",
    ("quality/fid_infinity_classifier", "few kinds in one class"): UNTESTED,
    ("quality/kid_classifier", "few kinds in one class"): UNTESTED,
    ("quality/coverage_classifier", "few kinds in one class"): "falls",
    ("quality/clipped_coverage_classifier", "few kinds in one class"): UNTESTED,
    ("quality/nn_accuracy_classifier", "few kinds in one class"): UNTESTED,
    ("quality/nn_accuracy_real_classifier", "few kinds in one class"): "rises",
    ("quality/frechet_pixels", "few kinds in one class"): UNTESTED,
    ("modes/ndb", "few kinds in one class"): "rises",
    ("memorisation/authenticity", "few kinds in one class"): UNTESTED,
    # With more images for the 100 bins, noise is significant.
    ("modes/ndb", "noise"): "rises",
    ("modes/js_bins", "noise"): "rises",
}
# Failures for which a metric is better than for real images, so readers need other metrics, too. The few repeated images may happen
# to be good, and a few bad images are additional kinds of images.
FOOLED = {
    "digits": {"quality/precision_classifier": {"each image repeated"}, "diversity/vendi_score": {"noise", "negatives", "grey blobs"}},
    "fashion-mnist": {
        "quality/density_classifier": {"each image repeated"},
        "diversity/vendi_score": {"blur", "noise", "negatives", "grey blobs", "checkerboard"},
    },
}


@cache
def planted(name: str) -> Planted:
    return Planted(Evaluator(DATASETS.get(name), samples=SAMPLES[name]))


@cache
def judge(name: str, samples: int = 0) -> Evaluator:
    """Return an evaluator for verdicts, without standard errors."""
    return Evaluator(DATASETS.get(name), samples=samples, errors=False)


def verdict(evaluator: Evaluator, images: Tensor) -> float:
    """Return the verdict on collapse without other metrics."""
    with limited_threads(1):
        return evaluator._evidence(images).value(COLLAPSE)


def check(found: float, documented: str, *, noise: float, key: str = "") -> None:
    """Check that a value equals the documented one within 2 % or the noise, because processors round differently."""
    if documented == "–":
        assert math.isnan(found)
    else:
        assert found == pytest.approx(float(documented), rel=0.02, abs=max(noise, CLUSTERED.get(key, 0.0)))


def expected(name: str, key: str, failure: str) -> str:
    """Return the expected change of a metric from the table."""
    words = {**TABLE, **(ONLY_FASHION if name == "fashion-mnist" else {})}[key].split()
    word = words[[each.name for each in FAILURES].index(failure)]
    return OTHERWISE.get((key, failure), word) if name == "fashion-mnist" else word


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_metrics_move_with_the_severity_as_the_table_says(name: str, failure: Failure) -> None:
    measured = planted(name)
    keys = [key for key in measured.evaluator.keys if key != NO_GENERATOR and expected(name, key, failure.name) != UNTESTED]
    found = {key: measured.path(failure, key).word for key in keys}
    assert found == {key: expected(name, key, failure.name) for key in keys}


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_no_failure_looks_better_than_real_images_but_where_it_is_known(name: str) -> None:
    measured = planted(name)
    fooled: dict[str, set[str]] = {}
    for key, failure in itertools.product(measured.evaluator.keys, FAILURES):
        sign = {"higher": 1, "lower": -1, "none": 0}[card(key).direction]
        if sign and sign in measured.path(failure, key).moves:
            fooled.setdefault(key, set()).add(failure.name)
    assert fooled == FOOLED[name]


def test_outliers_among_the_test_images_raise_density_and_not_its_clipped_version() -> None:
    evaluator = Evaluator(DATASETS.get("digits"), errors=False, headline=FID_CLASSIFIER, metrics=OF_BALLS)
    half_noise = partly_noise(evaluator.dataset, evaluator.n, 0.5)
    clean, outliers = (each.full(half_noise).values for each in (evaluator, contaminated(evaluator, 0.02)))
    raised = {key: outliers[key] - clean[key] for key in OF_BALLS}
    assert raised["quality/precision_classifier"] > 0.2
    assert raised["quality/density_classifier"] > 0.1
    assert abs(raised["quality/clipped_density_classifier"]) < 0.03
    assert abs(raised["quality/clipped_coverage_classifier"]) < 0.03


@pytest.mark.parametrize("name", DATA)
def test_no_false_alarm_of_collapse_on_fifty_real_halves(name: str) -> None:
    evaluator = judge(name, HALF[name])
    images = real(evaluator.dataset, 2 * HALF[name])
    noise = torch.Generator().manual_seed(0)
    verdicts = [verdict(evaluator, images[torch.randperm(len(images), generator=noise)[: HALF[name]]]) for _ in range(50)]
    assert verdicts == [0.0] * 50


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("times", TIMES[1:])
def test_repeated_images_are_collapse(name: str, times: float) -> None:
    evaluator = judge(name)
    assert verdict(evaluator, repeated(evaluator.dataset, evaluator.n, times)) == 1.0


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(
    ("make", "share", "expected"), [(partly_noise, 0.5, 0.0), (blobs, 0.5, 0.0), (partly_noise, 1, None), (blobs, 1, None)]
)
def test_noise_and_blobs_are_no_collapse_and_alone_are_not_judged(
    name: str, make: Callable[[Dataset, int, float], Tensor], share: float, expected: float | None
) -> None:
    evaluator = judge(name)
    found = evaluator._evidence(make(evaluator.dataset, evaluator.n, share))
    assert found.value(COLLAPSE) == expected or (expected is None and math.isnan(found.value(COLLAPSE)))
    assert ("not judged" in found.reasons.get(COLLAPSE, "")) == (expected is None)


@pytest.mark.parametrize("name", DATA)
def test_five_classes_or_fewer_are_collapse_and_more_are_not_whichever_they_are(name: str) -> None:
    """The verdict is right for all 1,022 subsets of ten classes, without duplicates."""
    evaluator = judge(name)
    train = evaluator.dataset.split("train")
    assert train.labels is not None
    chosen = torch.randperm(len(train.data), generator=random_streams.stream(0, "classes"))[: evaluator.n]
    labels, classes = train.labels[chosen], evaluator.dataset.spec.classes
    with limited_threads(1):
        evidence = Evidence(train.data[chosen], evaluator._real)
        _ = evidence.inside
    no_copies = torch.zeros(len(labels), dtype=torch.bool)
    wrong = []
    for m in range(1, classes):
        for subset in itertools.combinations(range(classes), m):
            rows = torch.isin(labels, torch.tensor(subset))
            judged, _ = collapse(
                inside=evidence.inside[rows], predictions=evidence.classifier.predictions[rows], duplicates=no_copies[rows],
                real=evidence.real.shares,
            )  # fmt: skip
            if judged != float(m <= COLLAPSED_CLASSES * classes):
                wrong.append((subset, judged))
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_documented_reference_rows_are_what_is_measured(kind: str) -> None:
    documented = read_table(PAGE.read_text(encoding="utf-8"), SCALE_HEADING)
    found = reference_row(kind, Evaluator(DATASETS.get("fashion-mnist"))).measurement.values
    assert len(documented) == sum(not key.endswith(SE) for key in found)
    for row, cells in documented.items():
        (key,) = (each for each in found if not each.endswith(SE) and titled(each) == row)
        value, _, error = cells[kind].partition(" ± ")
        check(found[key], value, noise=found.get(f"{key}{SE}", 0.0), key=key)
        if error and not error.startswith("<"):
            rounded = 0.51 * 10.0 ** -len(error.partition(".")[2])
            check(found[f"{key}{SE}"], error, noise=0.5 * float(error) if key in CLUSTERED else rounded)


@pytest.mark.slow
@pytest.mark.parametrize("failure", ["classes lost", "each image repeated", "blur", "noise", "negatives", "grey blobs"])
def test_documented_values_are_what_is_measured(failure: str) -> None:
    evaluator = judge("fashion-mnist")
    rows = read_table(PAGE.read_text(encoding="utf-8"), FAILURES_HEADING)
    (which,) = (each for each in FAILURES if each.name == failure)
    severity = which.severities[2]
    documented = rows[label(which, severity)]
    errors = reference_row("real", Evaluator(evaluator.dataset)).measurement.values
    found = evaluator.full(which.make(evaluator.dataset, evaluator.n, severity)).values
    for key in COLUMNS:
        check(found[key], documented[titled(key)], noise=errors[f"{key}{SE}"], key=key)


@pytest.mark.slow
@pytest.mark.parametrize("severity", [0.0, 1.0])
def test_documented_values_of_photo_are_what_is_measured(severity: float) -> None:
    pytest.importorskip(photo.MODULE, reason=f"{photo.PACKAGE} is missing: {photo.INSTALL}")
    evaluator = photo_evaluator(DATASETS.get("fashion-mnist"))
    rows = read_table(PAGE.read_text(encoding="utf-8"), PHOTO_HEADING)
    (blur,) = (each for each in FAILURES if each.name == "blur")
    with limited_threads(1):
        found = evaluator.full(blur.make(evaluator.dataset, evaluator.n, severity)).values
    for key in PHOTO_COLUMNS:
        check(found[key], rows[label(blur, severity) if severity else "real"][titled(key)], noise=0.002 if "kid" in key else 0.0)
