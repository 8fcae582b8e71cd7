"""The record of an evaluation besides its metrics: shares of classes, modes and bins, points, and the closest training images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.core.spec import Mixture
from bench.metrics.columns import SPECTRUM
from bench.metrics.evidence import Evidence
from bench.metrics.ndb import counts_of

MOST_POINTS = 2500
NEAREST_PAIRS = 32


@dataclass(frozen=True, kw_only=True)
class EvidenceRecord:
    """Record of the values for evidence.json, and images for a picture."""

    evidence: Mapping[str, Any]
    nearest: Tensor | None  # uint8 [2 m, C, H, W]: generated images, each followed by the training image nearest to it


def evidence_json(evidence: Evidence, capabilities: frozenset[str]) -> EvidenceRecord:
    """Return the record with the parts that the capabilities of the dataset allow."""
    found: dict[str, Any] = {"n": len(evidence.data)}
    if "labels" in capabilities:
        shares = {"generated": evidence.shares.tolist(), "real": evidence.real.shares.tolist()}
        found |= {"class_names": list(evidence.dataset.class_names), "class_share": shares}
    if "modes" in capabilities and _known(evidence, "modes/found"):
        modes = evidence.found
        found["modes"] = {"count": len(modes.shares), "found": modes.found, "shares": modes.shares.tolist()}
    if isinstance(evidence.dataset, Mixture):
        points = evidence.points[evidence.points.isfinite().all(dim=1)]
        found |= {"points": _rounded(points[:MOST_POINTS]), "centres": _rounded(evidence.dataset.centres), "sd": evidence.dataset.sd}
    if "training" in capabilities and _known(evidence, "modes/ndb"):
        train = evidence.real.bins.train_counts
        generated = counts_of(evidence.bins, len(train))
        found["bins"] = {"generated": (generated / generated.sum()).tolist(), "train": (train / train.sum()).tolist()}
    if evidence.is_known(SPECTRUM):
        found["spectrum"] = {"generated": _powers(evidence.spectra), "real": _powers(evidence.real.spectrum[None])}
    return EvidenceRecord(
        evidence=found, nearest=_nearest(evidence) if "training" in capabilities and _known(evidence, "memorisation/authenticity") else None
    )


def _known(evidence: Evidence, key: str) -> bool:
    return math.isfinite(evidence.value(key))


def _nearest(evidence: Evidence) -> Tensor:
    """Return the generated images nearest to a training image, each followed by that image."""
    distance, index = evidence.to_training
    closest = torch.argsort(distance, stable=True)[:NEAREST_PAIRS]
    train = evidence.dataset.split("train").data[index[closest]]
    return torch.stack([evidence.data[closest], train], dim=1).flatten(0, 1)


def _powers(spectra: Tensor) -> list[float]:
    """Return the mean of spectra [n, R], rounded to five digits."""
    return [float(f"{power:.5g}") for power in spectra.double().mean(dim=0).tolist()]


def _rounded(points: Tensor) -> list[list[float]]:
    return [[round(value, 4) for value in row] for row in points.tolist()]
