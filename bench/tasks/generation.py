"""Generation: nothing is given. A generator makes examples from noise, and a conditional one gets a class for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from bench.core import random_streams
from bench.core.spec import Dataset, DataShape
from bench.tasks.task import Request, Task

DCGAN_SIDES = range(8, 65, 4)  # pixels. Other sizes use the deeper networks, which take any size


def ask(dataset: Dataset, n: int, *, classes: int, seed: int, stream: str) -> Request:
    """Return a request with the labels of n random training examples for a conditional model, else without labels.

    Raises ValueError if the dataset has no labels.
    """
    if not classes:
        return Request(n=n)
    labels = dataset.split("train").labels
    if labels is None:
        raise ValueError(f"{dataset.name} has no labels for a conditional model: choose a labelled dataset")
    return Request(n=n, labels=labels[torch.randint(len(labels), (n,), generator=random_streams.stream(seed, f"{stream}-labels"))])


def untrained(data: DataShape) -> tuple[str, Mapping[str, Any]]:
    """Return the variant of the row `untrained`."""
    if data.kind == "points":
        return "ns-gan", {"networks": "mlp-2d"}
    _, height, side = data.shape
    if height == side and side in DCGAN_SIDES:
        return "dcgan", {}
    return "dcgan", {"networks": "dcgan-deep", "recipe.width": 16}


GENERATION = Task(
    name="generation",
    title="generation",
    idea="make examples from noise",
    ask=ask,
    inputs=lambda dataset: None,
    untrained=untrained,
    provides=lambda data: frozenset(),
)
