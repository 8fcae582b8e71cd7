"""Paths: how far features move along a line between two latents."""

from __future__ import annotations

from torch import Tensor


def path_lengths(features: Tensor) -> Tensor:
    """The length of each of W paths of S points [W, S, d], the sum of its S - 1 steps, in units of the features: [W], float64.

    After perceptual path length (Karras et al. 2019, arXiv 1812.04948, section 4.1), whole paths in place of short ends.
    """
    if features.ndim != 3 or features.shape[1] < 2:
        raise ValueError(f"a path needs at least 2 points: features are [paths, points, dims], not {list(features.shape)}")
    if not features.isfinite().all():
        raise ValueError("some features are not finite")
    return features.double().diff(dim=1).norm(dim=2).sum(dim=1)
