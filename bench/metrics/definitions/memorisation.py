"""Metrics of memorisation: copies of training images."""

from __future__ import annotations

import math

from bench.metrics import memorisation
from bench.metrics.columns import card
from bench.metrics.evidence import Evidence, metric


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
