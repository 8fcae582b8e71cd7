"""The definition of a column: the metric card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher", "none"]
Scale = Literal["ratio", "difference"]  # how two values are compared
RATIO_MARGIN = 1.1
NEEDS = (
    "image", "points", "mixture", "modes", "labels", "classifier", "distilled", "pixels", "inception", "photo", "features", "neighbours", "training",
    "latents", "22px", "asked", "cas", "given", "truth", "back", "again", "identity", "target", "11px",
)  # fmt: skip  # words for `needs`. `bench.evaluation.evaluator.capabilities` lists those of a dataset. "asked": each sample has a requested label
# The words from "given" to "target" are of translation (`bench.metrics.companions`). No dataset of generation provides one of them.
TRANSLATION_NEEDS = frozenset({"given", "truth", "back", "again", "identity", "target"})


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
    scale: Scale = "ratio"  # "difference" for fractions, counts, scores and estimates that may be 0 or negative
    margin: float | None = None  # the largest ratio, or difference, of values that count as equal. None means a ratio of 1.1
    recorded: bool = False  # read from a run, not registered in this process

    @property
    def group(self) -> str:
        """Part of the key before the slash: train, quality, diversity, modes, memorisation, fidelity, cycle, identity, perf."""
        return self.key.partition("/")[0]

    @property
    def same_within(self) -> float | None:
        """The margin of equality on the card's scale. It is None for a difference without a margin."""
        return RATIO_MARGIN if self.margin is None and self.scale == "ratio" else self.margin

    @property
    def arrow(self) -> str:
        """Arrow of the direction: ↓ if lower is better, ↑ if higher is better, else empty."""
        return {"lower": "↓", "higher": "↑", "none": ""}[self.direction]
