"""Cards of metrics of memorisation."""

from __future__ import annotations

from bench.metrics.columns.definition import Card

MEMORISATION = (
    Card(
        key="memorisation/authenticity",
        title="authenticity",
        direction="none",
        scale="difference",
        unit="fraction",
        needs=("features", "training"),
        citation="Alaa et al. 2022, arXiv 2102.08921",
        meaning="Share of generated images that are further from their nearest training image than this training image is from its nearest other one, in features. 0 means copying. Unseen real images have a half to two thirds. "
        "Images that differ from all real ones have 1. The metric misses copies with invisible noise.",
    ),
    Card(
        key="memorisation/ct_score",
        title="C_T",
        direction="none",
        scale="difference",
        needs=("features", "pixels", "training"),
        citation="Meehan et al. 2020, arXiv 2004.05675",
        meaning="Z-score of the distances of generated images to their nearest training images, compared with those of real test images. It is a mean over the bins. About 0 is ideal. Far below 0 means copying, far above 0 images that differ from the data.",
    ),
)
