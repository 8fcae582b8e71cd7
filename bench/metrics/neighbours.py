"""Nearest neighbours in feature space: precision, recall and the distances behind the duplicate rate, in bounded memory.

Who is nearest comes from one matrix product a block of rows, |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, in the features' own precision.
That form loses the digits of small distances, so the distance to whoever is nearest is then computed from the differences: an
exact copy is at distance 0. Against float64, float32 flips near-ties only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

K = 3  # neighbours that span the manifold: Kynkäänniemi et al. 2019, section 3
BLOCK = 250  # rows at once: a block of 250 x 10,000 float32 distances is 10 MB


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What a set of features knows of itself."""

    features: Tensor  # [N, d]
    radius: Tensor  # [N]: distance to the K-th nearest other
    nearest: Tensor  # [N]: distance to the nearest other; 0 for an exact copy


def find_neighbours(features: Tensor, *, k: int = K, block: int = BLOCK) -> Neighbours:
    """Each row's distance to its nearest and its k-th nearest other row. Needs more than k rows."""
    if len(features) <= k:
        raise ValueError(f"{len(features)} rows have no {k} nearest others")
    squares = _squares(features)
    nearest, radius = [], []
    for start in range(0, len(features), block):
        rows = features[start : start + block]
        # |a|^2 is the same for a whole row, so the order of its neighbours is known without it.
        order = torch.addmm(squares, rows, features.T, alpha=-2)
        order.diagonal(start).fill_(torch.inf)
        closest = order.topk(k, dim=1, largest=False).indices
        distances = (features[closest] - rows[:, None]).norm(dim=2)
        nearest.append(distances.amin(dim=1))
        radius.append(distances.amax(dim=1))
    return Neighbours(features=features, radius=torch.cat(radius), nearest=torch.cat(nearest))


def share_within(points: Tensor, manifold: Neighbours, *, block: int = BLOCK) -> float:
    """The share of points [M, d] that lie in the manifold: within the radius of at least one of its rows.

    Precision is the share of generated points in the real manifold, recall the share of real points in the generated one:
    Kynkäänniemi et al. 2019, eq. 1-3.
    """
    # Within: min over m of |p - m|^2 - r^2 <= 0. The row that attains it is known without |p|^2, and then judged exactly.
    offset = _squares(manifold.features) - manifold.radius.square()
    inside = 0
    for rows in points.split(block):
        best = torch.addmm(offset, rows, manifold.features.T, alpha=-2).min(dim=1).indices
        inside += int(((rows - manifold.features[best]).norm(dim=1) <= manifold.radius[best]).sum())
    return inside / len(points)


def _squares(features: Tensor) -> Tensor:
    return features.square().sum(dim=1)
