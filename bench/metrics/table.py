"""The metrics that ganbench has: each one line or a few, from the evidence to a number. What they mean is on their cards."""

from __future__ import annotations

from bench.cards import HEADLINE, card
from bench.metrics import diversity, fidelity, modes
from bench.metrics.evidence import Evidence, metric
from bench.metrics.neighbours import share_within

PRECISION = "quality/precision_classifier"
DUPLICATES = "diversity/duplicate_rate"
COVERED = "modes/classes_covered"


@metric(card(HEADLINE))
def frechet_classifier(evidence: Evidence) -> float:
    """Fréchet distance of the two Gaussians, in classifier features."""
    return fidelity.frechet_distance(fidelity.fit_gaussian(evidence.seen.features), evidence.real.gaussian)


@metric(card("quality/kid_classifier"))
def kernel_classifier(evidence: Evidence) -> float:
    """Squared maximum mean discrepancy, in classifier features."""
    return fidelity.kernel_distance(evidence.seen.features, evidence.real.features)


@metric(card("quality/classifier_score"))
def classifier_score(evidence: Evidence) -> float:
    """The Inception score of the data's own classifier."""
    return fidelity.classifier_score(evidence.seen.logits)


@metric(card(PRECISION))
def precision(evidence: Evidence) -> float:
    """The share of generated images within the real manifold."""
    return share_within(evidence.seen.features, evidence.real.neighbours)


@metric(card("quality/recall_classifier"))
def recall(evidence: Evidence) -> float:
    """The share of real images within the generated manifold."""
    return share_within(evidence.real.features, evidence.generated)


@metric(card("diversity/pairwise_distance"))
def pairwise_distance(evidence: Evidence) -> float:
    """The distance of random pairs, as a fraction of the same among real images."""
    return diversity.mean_pair_distance(evidence.images) / evidence.real.pair_distance


@metric(card(DUPLICATES))
def duplicate_rate(evidence: Evidence) -> float:
    """The share of images that another one repeats."""
    return diversity.duplicate_rate(evidence.generated.nearest, evidence.real.duplicate_threshold)


@metric(card(COVERED))
def classes_covered(evidence: Evidence) -> float:
    """How many classes are made."""
    return float(modes.classes_covered(evidence.shares, evidence.real.shares))


@metric(card("modes/class_kl"))
def class_kl(evidence: Evidence) -> float:
    """How far the class shares are from the real ones, in nats."""
    return modes.class_kl(evidence.shares, evidence.real.shares)


@metric(card("modes/collapse"))
def collapse(evidence: Evidence) -> float:
    """1 for collapse, 0 for none."""
    verdict, reason = modes.collapse(
        covered=int(evidence.value(COVERED)),
        classes=evidence.real.classes,
        duplicate_rate=evidence.value(DUPLICATES),
        precision=evidence.value(PRECISION),
    )
    return evidence.unknown(reason) if reason else verdict
