"""Metrics of diversity: how different generated images are from each other."""

from __future__ import annotations

from bench.metrics import diversity
from bench.metrics.columns import card
from bench.metrics.definitions.mean import mean
from bench.metrics.evidence import Evidence, metric

DUPLICATES = "diversity/duplicate_rate"


@metric(card("diversity/pairwise_distance"))
def pairwise_distance(evidence: Evidence) -> float:
    """Return the mean distance of random pairs of generated images, as a fraction of that of real images."""
    if not evidence.real.pair_distance:
        return evidence.unknown("all real test images are the same")
    return mean(evidence.pair_distances) / evidence.real.pair_distance


@metric(card("diversity/ms_ssim_2"))
def structural_similarity(evidence: Evidence) -> float:
    """Return the mean structural similarity of random pairs of generated images."""
    return mean(evidence.pair_similarities)


@metric(card("diversity/vendi_score"))
def vendi_score(evidence: Evidence) -> float:
    """Return the effective number of distinct images."""
    return diversity.vendi_score(evidence.main.features)


@metric(card("diversity/class_vendi"))
def class_vendi(evidence: Evidence) -> float:
    """Return the mean over classes of the effective number of distinct images of a class, as a share of that of real images."""
    return mean(evidence.class_diversity)


@metric(card("diversity/class_vendi_least"))
def class_vendi_least(evidence: Evidence) -> float:
    """Return the same share for the class with the smallest one."""
    return float(evidence.class_diversity.min())


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
    return mean(evidence.path_lengths) / evidence.real.feature_distance
