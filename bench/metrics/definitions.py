"""The built-in metrics: functions of a few lines that compute a value from the evidence. Their cards explain the metrics."""

from __future__ import annotations

import math
from statistics import fmean

from torch import Tensor

from bench.core.text import pluralise
from bench.metrics import clipped, diversity, fidelity, memorisation, modes, ndb, spectrum
from bench.metrics.cards import HEADLINE, MIXTURE_JS, PIXELS, REVERSE_KL, SPECTRUM, card
from bench.metrics.evidence import Evidence, metric
from bench.metrics.extractors import CLASSIFIER, INCEPTION, PHOTO, Features
from bench.metrics.extractors import PIXELS as PIXELS_EXTRACTOR
from bench.metrics.neighbours import K_BALL

PRECISION = "quality/precision_classifier"
DUPLICATES = "diversity/duplicate_rate"
COVERED = "modes/classes_covered"


@metric(card(HEADLINE))
def frechet_classifier(evidence: Evidence) -> float:
    """Return the Fréchet distance of generated and real images, in classifier features."""
    return _frechet(evidence, CLASSIFIER)


@metric(card("quality/fid_infinity_classifier"))
def frechet_infinity(evidence: Evidence) -> float:
    """Return the Fréchet distance in classifier features, extrapolated to infinitely many generated images."""
    if math.isnan(evidence.value(HEADLINE)):
        return evidence.unknown(f"the {card(HEADLINE).title} to extrapolate has no value")
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
    return _mean(evidence.inside)


@metric(card("quality/recall_classifier"))
def recall(evidence: Evidence) -> float:
    """Return the share of real images within the generated manifold."""
    return _mean(evidence.reached)


@metric(card("quality/density_classifier"))
def density(evidence: Evidence) -> float:
    """Return the mean number of real neighbourhoods that contain a generated image, divided by k."""
    return _mean(evidence.balls) / K_BALL


@metric(card("quality/coverage_classifier"))
def coverage(evidence: Evidence) -> float:
    """Return the share of real neighbourhoods that contain a generated image."""
    return _mean(evidence.filled > 0)


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
    """The share of generated and real images whose nearest other image is of the same side."""
    return (_mean(evidence.recognised_generated) + _mean(evidence.recognised_real)) / 2


@metric(card("quality/nn_accuracy_generated_classifier"))
def nearest_neighbour_accuracy_generated(evidence: Evidence) -> float:
    """The share of generated images whose nearest other image is a generated one."""
    return _mean(evidence.recognised_generated)


@metric(card("quality/nn_accuracy_real_classifier"))
def nearest_neighbour_accuracy_real(evidence: Evidence) -> float:
    """The share of real images whose nearest other image is a real one."""
    return _mean(evidence.recognised_real)


@metric(card(PIXELS))
def frechet_pixels(evidence: Evidence) -> float:
    """Return the Fréchet distance of generated and real images, in principal components of pixels."""
    return _frechet(evidence, PIXELS_EXTRACTOR)


@metric(card(SPECTRUM))
def spectrum_difference(evidence: Evidence) -> float:
    """Return the mean absolute log ratio of generated to real power, over all radial frequencies."""
    return _mean(evidence.spectrum_ratios.abs())


@metric(card("quality/spectrum_high"))
def spectrum_difference_high(evidence: Evidence) -> float:
    """Return the same for the highest third of the frequencies."""
    return _mean(spectrum.highest(evidence.spectrum_ratios.abs()))


@metric(card("quality/fid_photo"))
def frechet_photo(evidence: Evidence) -> float:
    """Return the Fréchet distance of generated and real images, in features of an ImageNet network."""
    return _frechet(evidence, PHOTO)


@metric(card("quality/kid_photo"))
def kernel_photo(evidence: Evidence) -> float:
    """Return the squared maximum mean discrepancy, in features of an ImageNet network."""
    return evidence.kernel_distance(PHOTO)


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


@metric(card("diversity/pairwise_distance"))
def pairwise_distance(evidence: Evidence) -> float:
    """Return the mean distance of random pairs of generated images, as a fraction of that of real images."""
    if not evidence.real.pair_distance:
        return evidence.unknown("all real test images are the same")
    return _mean(evidence.pair_distances) / evidence.real.pair_distance


@metric(card("diversity/ms_ssim_2"))
def structural_similarity(evidence: Evidence) -> float:
    """Return the mean structural similarity of random pairs of generated images."""
    return _mean(evidence.pair_similarities)


@metric(card("diversity/vendi_score"))
def vendi_score(evidence: Evidence) -> float:
    """Return the effective number of distinct images."""
    return diversity.vendi_score(evidence.main.features)


@metric(card(DUPLICATES))
def duplicate_rate(evidence: Evidence) -> float:
    """Return the share of generated images that are duplicates."""
    return diversity.duplicate_rate(evidence.neighbours.nearest, evidence.real.duplicate_threshold)


@metric(card("diversity/path_length"))
def path_length(evidence: Evidence) -> float:
    """Return the mean length of paths between random latents, as a fraction of the distance of two real images."""
    if evidence.path_lengths is None:
        return evidence.unknown("a path needs the generator, and these images have none")
    if not evidence.real.feature_distance:
        return evidence.unknown("all real test images have the same features")
    return _mean(evidence.path_lengths) / evidence.real.feature_distance


@metric(card(MIXTURE_JS))
def divergence_of_mixture(evidence: Evidence) -> float:
    """Return the Jensen-Shannon divergence, in nats, between the shares near each centre, and near none, of generated and real points."""
    near = evidence.found.near
    assert near is not None
    return ndb.jensen_shannon(near, modes.near_shares(len(near) - 1, evidence.points.shape[1]))


@metric(card("modes/found"))
def modes_found(evidence: Evidence) -> float:
    """Return the number of known modes that contain a sample."""
    return float(evidence.found.found)


@metric(card(REVERSE_KL))
def reverse_kl(evidence: Evidence) -> float:
    """Return the divergence KL(generated || real), in nats, of the shares of the known modes."""
    return _divergence(evidence, evidence.found.shares, evidence.real.mode_shares)


@metric(card("modes/high_quality"))
def high_quality(evidence: Evidence) -> float:
    """Return the share of points near a centre."""
    return evidence.found.high_quality


@metric(card(COVERED))
def classes_covered(evidence: Evidence) -> float:
    """Return the number of classes that the generator covers."""
    return float(modes.classes_covered(evidence.shares, evidence.real.shares))


@metric(card("modes/class_kl"))
def class_kl(evidence: Evidence) -> float:
    """Return the divergence KL(generated || real), in nats, of the class shares."""
    return _divergence(evidence, evidence.shares, evidence.real.shares)


@metric(card("modes/class_accuracy"))
def class_accuracy(evidence: Evidence) -> float:
    """Return the share of images that the classifier assigns to the class of their label."""
    return _mean(evidence.classifier.predictions == evidence.asked)


@metric(card("modes/ndb"))
def different_bins(evidence: Evidence) -> float:
    """Return the share of bins whose proportions differ significantly between generated and training images."""
    counts = evidence.real.bins.train_counts
    return ndb.ndb(ndb.counts_of(evidence.bins, len(counts)), counts)


@metric(card("modes/js_bins"))
def divergence_of_bins(evidence: Evidence) -> float:
    """Return the Jensen-Shannon divergence, in nats, between the bin shares of generated and training images."""
    counts = evidence.real.bins.train_counts
    return ndb.jensen_shannon(ndb.counts_of(evidence.bins, len(counts)), counts)


@metric(card("modes/collapse"))
def collapse(evidence: Evidence) -> float:
    """Return 1.0 if the generator has collapsed, else 0.0."""
    verdict, reason = modes.collapse(
        inside=evidence.inside,
        predictions=evidence.classifier.predictions,
        duplicates=diversity.duplicates(evidence.neighbours.nearest, evidence.real.duplicate_threshold),
        real=evidence.real.shares,
    )
    return evidence.unknown(reason) if reason else verdict


@metric(card("memorisation/authenticity"))
def authenticity(evidence: Evidence) -> float:
    """Return the share of images that are not copies of a training image."""
    distance, index = evidence.to_training
    return memorisation.authenticity(distance, index, evidence.real.training.nearest)


@metric(card("memorisation/ct_score"))
def ct_score(evidence: Evidence) -> float:
    """Return the C_T score, which compares the distances of generated and test images to the training images."""
    real = evidence.real
    distance, _ = evidence.to_training
    score = memorisation.ct_score(distance, evidence.bins, real.training.test_distance, real.bins.test, real.bins.train_counts)
    return evidence.unknown(f"no bin has more than {memorisation.CELL_LEAST} generated images") if math.isnan(score) else score


def _frechet(evidence: Evidence, kind: str) -> float:
    generated = evidence.features_of(kind).features
    least = min(len(generated), evidence.real.count(kind))
    if least <= generated.shape[1]:
        return evidence.unknown(
            f"a Fréchet distance in {generated.shape[1]} features needs more images than features, not {pluralise(least, 'image')}"
        )
    return fidelity.frechet_distance(fidelity.fit_gaussian(generated), evidence.real.gaussian(kind))


def _divergence(evidence: Evidence, generated: modes.Shares, real: modes.Shares) -> float:
    strange = ((generated > 0) & (real == 0)).nonzero()[0]
    if len(strange):
        return evidence.unknown(f"class or mode {strange[0]} occurs in generated images, but in no test image: the divergence is infinite")
    return modes.reverse_kl(generated, real)


def _score(features: Features) -> float:
    assert features.logits is not None
    return fidelity.classifier_score(features.logits)


def _mean(values: Tensor) -> float:
    return float(values.double().mean())
