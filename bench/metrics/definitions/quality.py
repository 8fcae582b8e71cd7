"""Metrics of quality: distances to the real images, fidelity, coverage and texture."""

from __future__ import annotations

import math
from statistics import fmean

from bench.core.text import pluralise
from bench.metrics import clipped, fidelity, spectrum
from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED, PIXELS, SPECTRUM, card
from bench.metrics.definitions.mean import mean
from bench.metrics.evidence import Evidence, metric
from bench.metrics.extractors import CLASSIFIER, DISTILLED, INCEPTION, PHOTO, Features
from bench.metrics.extractors import PIXELS as PIXELS_EXTRACTOR
from bench.metrics.neighbours import K_BALL

PRECISION = "quality/precision_classifier"


@metric(card(FID_DISTILLED))
def frechet_distilled(evidence: Evidence) -> float:
    """Return the Fréchet distance of generated and real images, in features of a distilled network."""
    return _frechet(evidence, DISTILLED)


@metric(card(FID_CLASSIFIER))
def frechet_classifier(evidence: Evidence) -> float:
    """Return the Fréchet distance of generated and real images, in classifier features."""
    return _frechet(evidence, CLASSIFIER)


@metric(card("quality/fid_infinity_classifier"))
def frechet_infinity(evidence: Evidence) -> float:
    """Return the Fréchet distance in classifier features, extrapolated to infinitely many generated images."""
    if math.isnan(evidence.value(FID_CLASSIFIER)):
        return evidence.unknown(f"the {card(FID_CLASSIFIER).title} to extrapolate has no value")
    return fidelity.frechet_infinity(evidence.classifier.features, evidence.real.gaussian(CLASSIFIER))


@metric(card("quality/intra_fid_classifier"))
def frechet_within_classes(evidence: Evidence) -> float:
    """Return the mean over classes of the Fréchet distance of generated and real images of a class, in classifier features."""
    features, distances = evidence.classifier.features, []
    for label, real in evidence.real.class_gaussians.items():
        of_class = features[evidence.asked == label]
        if len(of_class) <= features.shape[1]:
            return evidence.unknown(
                f"a Fréchet distance in {features.shape[1]} features needs more images than features, and class {label} has {pluralise(len(of_class), 'image')}"
            )
        distances.append(fidelity.frechet_distance(fidelity.fit_gaussian(of_class), real))
    return fmean(distances)


@metric(card("quality/kid_classifier"))
def kernel_classifier(evidence: Evidence) -> float:
    """Return the squared maximum mean discrepancy, in classifier features."""
    return evidence.kernel_distance(CLASSIFIER)


@metric(card("quality/classifier_score"))
def classifier_score(evidence: Evidence) -> float:
    """Return the Inception score, computed with the classifier of the dataset."""
    return _score(evidence.classifier)


@metric(card(PRECISION))
def precision(evidence: Evidence) -> float:
    """Return the share of generated images within the real manifold."""
    return mean(evidence.inside)


@metric(card("quality/recall_classifier"))
def recall(evidence: Evidence) -> float:
    """Return the share of real images within the generated manifold."""
    return mean(evidence.reached)


@metric(card("quality/density_classifier"))
def density(evidence: Evidence) -> float:
    """Return the mean number of real neighbourhoods that contain a generated image, divided by k."""
    return mean(evidence.balls) / K_BALL


@metric(card("quality/coverage_classifier"))
def coverage(evidence: Evidence) -> float:
    """Return the share of real neighbourhoods that contain a generated image."""
    return mean(evidence.filled > 0)


@metric(card("quality/clipped_density_classifier"))
def clipped_density(evidence: Evidence) -> float:
    """Return the mean number of clipped real neighbourhoods around a generated image, at most k, as a fraction of that of real images."""
    if not evidence.real.clipped_density:
        return evidence.unknown("no real test image lies in the clipped neighbourhood of another one")
    return min(clipped.clipped_mean(evidence.clipped_balls) / evidence.real.clipped_density, 1.0)


@metric(card("quality/clipped_coverage_classifier"))
def clipped_coverage(evidence: Evidence) -> float:
    """Return the share of good images that would fill the real neighbourhoods equally."""
    return clipped.equivalent_share(clipped.clipped_mean(evidence.filled), len(evidence.data), len(evidence.filled))


@metric(card("quality/nn_accuracy_classifier"))
def nearest_neighbour_accuracy(evidence: Evidence) -> float:
    """Return the share of generated and real images whose nearest other image is of the same side."""
    return (mean(evidence.recognised_generated) + mean(evidence.recognised_real)) / 2


@metric(card("quality/nn_accuracy_generated_classifier"))
def nearest_neighbour_accuracy_generated(evidence: Evidence) -> float:
    """Return the share of generated images whose nearest other image is a generated one."""
    return mean(evidence.recognised_generated)


@metric(card("quality/nn_accuracy_real_classifier"))
def nearest_neighbour_accuracy_real(evidence: Evidence) -> float:
    """Return the share of real images whose nearest other image is a real one."""
    return mean(evidence.recognised_real)


@metric(card(PIXELS))
def frechet_pixels(evidence: Evidence) -> float:
    """Return the Fréchet distance of generated and real images, in principal components of pixels."""
    return _frechet(evidence, PIXELS_EXTRACTOR)


@metric(card(SPECTRUM))
def spectrum_difference(evidence: Evidence) -> float:
    """Return the mean absolute log ratio of generated to real power, over all radial frequencies."""
    return mean(evidence.spectrum_ratios.abs())


@metric(card("quality/spectrum_high"))
def spectrum_difference_high(evidence: Evidence) -> float:
    """Return the same for the highest third of the frequencies."""
    return mean(spectrum.highest(evidence.spectrum_ratios.abs()))


@metric(card("quality/fid_photo"))
def frechet_photo(evidence: Evidence) -> float:
    """Return the Fréchet distance of generated and real images, in features of an ImageNet network."""
    return _frechet(evidence, PHOTO)


@metric(card("quality/kid_photo"))
def kernel_photo(evidence: Evidence) -> float:
    """Return the squared maximum mean discrepancy, in features of an ImageNet network."""
    return evidence.kernel_distance(PHOTO)


@metric(card("quality/cas"))
def classification_accuracy_score(evidence: Evidence) -> float:
    """Return the accuracy on real test images of a classifier trained on the generated ones."""
    return evidence.cas


@metric(card("quality/fid_inception"))
def frechet_inception(evidence: Evidence) -> float:
    """Return the published FID: the Fréchet distance in Inception features."""
    return _frechet(evidence, INCEPTION)


@metric(card("quality/kid_inception"))
def kernel_inception(evidence: Evidence) -> float:
    """Return the squared maximum mean discrepancy, in Inception features."""
    if evidence.real.statistics is not None:
        return evidence.unknown("the reference statistics have no features of single images, which KID compares")
    return evidence.kernel_distance(INCEPTION)


@metric(card("quality/inception_score"))
def inception_score(evidence: Evidence) -> float:
    """Return the published Inception score."""
    return _score(evidence.inception)


def _frechet(evidence: Evidence, kind: str) -> float:
    generated = evidence.features_of(kind).features
    least = min(len(generated), evidence.real.count(kind))
    if least <= generated.shape[1]:
        return evidence.unknown(
            f"a Fréchet distance in {generated.shape[1]} features needs more images than features, not {pluralise(least, 'image')}"
        )
    return fidelity.frechet_distance(fidelity.fit_gaussian(generated), evidence.real.gaussian(kind))


def _score(features: Features) -> float:
    assert features.logits is not None
    return fidelity.classifier_score(features.logits)
