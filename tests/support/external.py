"""External images for tests, and the requirements of two datasets."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.evaluation.external_images import ImageRequirements
from bench.evaluation.value_checks import Levels

DATA = Levels(upper_share=0.3, highest=255)
GREY = ImageRequirements(dataset="digits", shape=(1, 8, 8), fewest=10, levels=DATA)
RGB = ImageRequirements(dataset="colours", shape=(3, 8, 6), fewest=10, levels=DATA)


def some(n: int = 12, shape: tuple[int, int, int] = (1, 8, 8)) -> Tensor:
    """Return images with all grey levels."""
    pixels = torch.arange(n * shape[0] * shape[1] * shape[2]) * 7 % 256
    return pixels.to(torch.uint8).view(n, *shape)
