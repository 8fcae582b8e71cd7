"""Mixtures of round Gaussians in the plane: the ring of 8 and the grid of 25 of PacGAN (1712.04086, table 1). Every mode is known.

NumPy does not change RandomState's stream (NEP 19), so the points are the same in every version of NumPy.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from bench.core.errors import UserError
from bench.core.spec import DataShape, Examples, Split

EXAMPLES = {"train": 100_000, "test": 2_500}  # as in PacGAN's experiments
_STREAM = {"train": 0, "test": 1}


@dataclass(frozen=True, kw_only=True)
class PlaneMixture:
    """Dataset of 100,000 training and 2,500 test points in the plane. Each point is from a random mode, which is its label."""

    name: str
    title: str
    means: tuple[tuple[float, float], ...]
    sd: float  # of every mode along both axes
    seed: int
    claims: bool = True

    @property
    def spec(self) -> DataShape:
        """Shape of points in the plane, with a class for each mode."""
        return DataShape(kind="points", shape=(2,), classes=len(self.means))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Centre of each mode, as text."""
        return tuple(f"({x:.3g}, {y:.3g})" for x, y in self.means)

    @property
    def centres(self) -> Tensor:
        """Centres of the modes, [modes, 2], float32."""
        return torch.tensor(self.means, dtype=torch.float32)

    def digest(self) -> str:
        """Return the SHA-256 of points and labels of both splits."""
        content = hashlib.sha256()
        for examples in (_draw(self, "train"), _draw(self, "test")):
            assert examples.labels is not None
            content.update(examples.data.numpy().tobytes())
            content.update(examples.labels.numpy().tobytes())
        return content.hexdigest()

    def split(self, name: Split) -> Examples:
        """Return points float32 [N, 2] and labels [N]."""
        if name not in EXAMPLES:
            raise UserError(f"{self.name} has the splits train and test, not {name!r}")
        return _draw(self, name)


@lru_cache(maxsize=4)
def _draw(mixture: PlaneMixture, name: Split) -> Examples:
    """Return one split, of 1.6 MB at most. Each process draws it once."""
    stream = np.random.RandomState([mixture.seed, _STREAM[name]])
    labels = stream.randint(0, len(mixture.means), size=EXAMPLES[name], dtype=np.int64)
    points = np.array(mixture.means)[labels] + mixture.sd * stream.standard_normal((EXAMPLES[name], 2))
    return Examples(data=torch.from_numpy(points.astype(np.float32)), labels=torch.from_numpy(labels))


def _on_circle(modes: int) -> tuple[tuple[float, float], ...]:
    """Return points at equal distances on the unit circle. They are rounded, because processors differ in the last bit of a sine."""
    angles = [2 * math.pi * index / modes for index in range(modes)]
    return tuple((round(math.cos(angle), 12) + 0.0, round(math.sin(angle), 12) + 0.0) for angle in angles)


_STEPS = (-4.0, -2.0, 0.0, 2.0, 4.0)

RING8 = PlaneMixture(name="ring8", title="Ring of 8 Gaussians", means=_on_circle(8), sd=0.01, seed=8)
GRID25 = PlaneMixture(
    name="grid25",
    title="Grid of 25 Gaussians",
    means=tuple((x, y) for x in _STEPS for y in _STEPS),
    sd=0.05,
    seed=25,
)
