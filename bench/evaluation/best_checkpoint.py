"""The best checkpoint of a run: chosen at the marks on one set of evaluation noise, scored at the end on another.

Choosing and scoring on the same samples would report the luckiest of many measurements. Published tables often give the best
checkpoint, which can be several times better than the last one, so a report shows both.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bench.core.spec import Networks

NOISE = "evaluation-best"  # the stream whose samples score it


class Best:
    """The weights with the lowest headline so far, kept on the CPU."""

    def __init__(self) -> None:
        self.value = float("inf")
        self.images = 0
        self._weights: dict[str, Tensor] = {}

    def offer(self, value: float, images: int, networks: Networks) -> None:
        """Keep a copy of these weights if their headline is the lowest so far."""
        if value < self.value:
            self.value, self.images = value, images
            self._weights = {name: tensor.detach().cpu().clone() for name, tensor in networks.state_dict().items()}

    def networks(self, like: Networks) -> Networks | None:
        """The best weights in networks of their own; None where nothing was offered."""
        if not self._weights:
            return None
        found = copy.deepcopy(like)
        found.load_state_dict(self._weights)
        return found

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must remember."""
        return {"value": self.value, "images": self.images, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self.value, self.images, self._weights = state["value"], state["images"], dict(state["weights"])
