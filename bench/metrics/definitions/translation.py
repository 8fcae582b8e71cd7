"""Metrics of translation. A metric whose companion is missing (`bench.metrics.companions`) is NaN, with the reason."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.metrics import spectrum, translation
from bench.metrics.columns import card
from bench.metrics.definitions.mean import mean
from bench.metrics.evidence import Evidence, metric
from bench.metrics.extractors import CLASSIFIER


@metric(card("fidelity/l1"))
def truth_l1(evidence: Evidence) -> float:
    """Return the mean absolute difference of output and truth, in grey levels."""
    return mean(evidence.per_row(_truth_l1))


@metric(card("fidelity/psnr"))
def truth_psnr(evidence: Evidence) -> float:
    """Return the mean peak signal-to-noise ratio of output and truth, in dB."""
    return mean(evidence.per_row(_truth_psnr))


@metric(card("fidelity/ssim"))
def truth_ssim(evidence: Evidence) -> float:
    """Return the mean structural similarity of output and truth."""
    return mean(evidence.per_row(_truth_ssim))


@metric(card("fidelity/feature_distance_classifier"))
def feature_distance(evidence: Evidence) -> float:
    """Return the mean distance of output and truth, in classifier features."""
    return mean(evidence.per_row(_feature_distances))


@metric(card("fidelity/class_accuracy"))
def truth_accuracy(evidence: Evidence) -> float:
    """Return the share of outputs that the classifier assigns to the class of their truth."""
    return mean(evidence.classifier.predictions == evidence.truth_labels)


@metric(card("fidelity/target_accuracy"))
def target_accuracy(evidence: Evidence) -> float:
    """Return the share of outputs that the classifier assigns to a class of the target side."""
    return mean(torch.isin(evidence.classifier.predictions, torch.tensor(evidence.target_classes)))


@metric(card("cycle/l1"))
def cycle(evidence: Evidence) -> float:
    """Return the mean absolute difference of an input and its output translated back, in grey levels."""
    return mean(evidence.per_row(_cycle))


@metric(card("cycle/l1_noisy"))
def cycle_noisy(evidence: Evidence) -> float:
    """Return the same with noise on the output."""
    return mean(evidence.per_row(_cycle_noisy))


@metric(card("identity/l1"))
def identity(evidence: Evidence) -> float:
    """Return the mean absolute difference of an example of the target side and its translation, in grey levels."""
    return mean(evidence.identity_distances)


@metric(card("diversity/per_input"))
def difference_per_input(evidence: Evidence) -> float:
    """Return the mean absolute difference of two outputs for the same input, in grey levels."""
    return mean(evidence.per_row(_differences))


@metric(card("diversity/effective_share"))
def effective_share(evidence: Evidence) -> float:
    """Return the effective number of different outputs, divided by that of the inputs."""
    return translation.effective_share(evidence.pixels.features, evidence.per_row(_input_features))


@metric(card("quality/checkerboard"))
def checkerboard(evidence: Evidence) -> float:
    """Return the log-ratio of generated to real power at the Nyquist rows and columns."""
    return float(spectrum.log_ratios(evidence.per_row(_nyquist_powers).double().mean(), evidence.real.nyquist_power))


def _truth_l1(evidence: Evidence) -> Tensor:
    return translation.l1(evidence.data, evidence.truth)


def _truth_psnr(evidence: Evidence) -> Tensor:
    return translation.psnr(evidence.data, evidence.truth)


def _truth_ssim(evidence: Evidence) -> Tensor:
    return translation.ssim(evidence.data, evidence.truth)


def _feature_distances(evidence: Evidence) -> Tensor:
    truth = evidence.real.extractor(CLASSIFIER)(evidence.truth)
    return translation.distances(evidence.classifier.features, truth.features)


def _cycle(evidence: Evidence) -> Tensor:
    return translation.l1(evidence.given, evidence.back)


def _cycle_noisy(evidence: Evidence) -> Tensor:
    return translation.l1(evidence.given, evidence.back_noisy)


def _differences(evidence: Evidence) -> Tensor:
    return translation.l1(evidence.data, evidence.again)


def _input_features(evidence: Evidence) -> Tensor:
    return translation.input_features(evidence.given, evidence.pixels.features.shape[1])


def _nyquist_powers(evidence: Evidence) -> Tensor:
    return spectrum.nyquist_powers(evidence.data)
