"""The best checkpoint of a run: selected at the evaluation points on one set of noise, scored at the end on another.

If selection and scoring used the same samples, the reported value would be the lowest of many noisy ones. Published tables often give the best
checkpoint, whose metric can be several times lower than that of the last one. A report shows both.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bench.core.spec import Networks

NOISE = "evaluation-best"  # the random stream of the samples that score the best checkpoint


class BestCheckpoint:
    """The weights with the lowest headline metric so far, stored on the CPU."""

    def __init__(self) -> None:
        self.value = float("inf")
        self.images = 0
        self._weights: dict[str, Tensor] = {}

    def offer(self, value: float, images: int, networks: Networks) -> None:
        """Store a copy of these weights if their headline metric is the lowest so far."""
        if value < self.value:
            self.value, self.images = value, images
            self._weights = {name: tensor.detach().cpu().clone() for name, tensor in networks.state_dict().items()}

    def networks(self, like: Networks) -> Networks | None:
        """Return a copy of the networks `like` with the best weights, or None before the first offer."""
        if not self._weights:
            return None
        found = copy.deepcopy(like)
        found.load_state_dict(self._weights)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a checkpoint stores."""
        return {"value": self.value, "images": self.images, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.value, self.images, self._weights = state["value"], state["images"], dict(state["weights"])
