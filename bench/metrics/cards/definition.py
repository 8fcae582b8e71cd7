"""The metric card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher", "none"]
NEEDS = (
    "image", "points", "mixture", "modes", "labels", "classifier", "distilled", "pixels", "inception", "photo", "features", "neighbours", "training",
    "latents", "22px", "asked",
)  # fmt: skip  # words for `needs`; `bench.evaluation.evaluator.capabilities` lists those of a dataset; "asked": labels of samples


@dataclass(frozen=True, kw_only=True)
class Card:
    """Card of one metric. `version` is part of the evaluation protocol: increase it if the definition changes."""

    key: str  # "<group>/<name>", the MLflow key
    title: str  # heading in tables
    direction: Direction
    meaning: str
    unit: str = ""
    citation: str = ""
    needs: tuple[str, ...] = ()  # of `NEEDS`; empty: images
    version: int = 1
    recorded: bool = False  # read from a run, not registered in this process

    @property
    def group(self) -> str:
        """Part of the key before the slash: train, quality, diversity, modes, memorisation, perf."""
        return self.key.partition("/")[0]

    @property
    def arrow(self) -> str:
        """Arrow of the direction: ↓ if lower is better, ↑ if higher is better, else empty."""
        return {"lower": "↓", "higher": "↑", "none": ""}[self.direction]
