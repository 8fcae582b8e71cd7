"""Folders of small random images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, *, size: tuple[int, int] = (16, 16), mode: str = "RGB", seed: int = 0) -> Path:
    """Save an image of noise of size (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def fill(folder: Path, n: int, *, classes: Sequence[str] = (), size: tuple[int, int] = (16, 16), mode: str = "RGB") -> Path:
    """Save n different images in a folder, or n per class in subfolders, and return the folder."""
    for start, name in enumerate(classes or [""]):
        for index in range(n):
            save(folder / name / f"{index:03}.png", size=size, mode=mode, seed=1000 * start + index)
    return folder
