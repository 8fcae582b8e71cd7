"""The metric card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher", "none"]
NEEDS = (
    "image", "points", "mixture", "modes", "labels", "classifier", "pixels", "inception", "photo", "features", "neighbours", "training",
    "latents", "22px", "asked",
)  # fmt: skip  # what a metric may need; `bench.evaluation.evaluator.capabilities` lists what data has; "asked": the labels that samples were generated for


@dataclass(frozen=True, kw_only=True)
class Card:
    """One metric. `version` is part of the protocol: it is bumped when the definition changes."""

    key: str  # "<group>/<name>", the MLflow key
    title: str  # as a table heads it
    direction: Direction
    meaning: str
    unit: str = ""
    citation: str = ""
    needs: tuple[str, ...] = ()  # of `NEEDS`; empty: images
    version: int = 1
    recorded: bool = False  # read from a run, not registered in this process

    @property
    def group(self) -> str:
        """The part before the slash: train, quality, diversity, modes, memorisation, perf."""
        return self.key.partition("/")[0]

    @property
    def arrow(self) -> str:
        """↓ lower is better, ↑ higher is better, empty where neither is."""
        return {"lower": "↓", "higher": "↑", "none": ""}[self.direction]
