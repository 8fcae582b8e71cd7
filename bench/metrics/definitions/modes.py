"""Metrics of modes: known modes of the data, classes and bins, and the collapse verdict."""

from __future__ import annotations

from bench.metrics import diversity, modes, ndb
from bench.metrics.columns import MIXTURE_JS, REVERSE_KL, card
from bench.metrics.definitions.mean import mean
from bench.metrics.evidence import Evidence, metric

COVERED = "modes/classes_covered"


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
    return mean(evidence.classifier.predictions == evidence.asked)


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


def _divergence(evidence: Evidence, generated: modes.Shares, real: modes.Shares) -> float:
    strange = ((generated > 0) & (real == 0)).nonzero()[0]
    if len(strange):
        return evidence.unknown(f"class or mode {strange[0]} occurs in generated images, but in no test image: the divergence is infinite")
    return modes.reverse_kl(generated, real)
