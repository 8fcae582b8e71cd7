"""What the latent space holds: pictures of single parts of the latent turned, of class directions, and of latent arithmetic.

A direction leads from the mean latent of one class to that of another, as the classifier sees what becomes of them; arithmetic adds and
takes away mean latents (Radford et al. 2015, arXiv 1511.06434, section 6.3.2), here bright - dark of one class + dark of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.spec import Latent, Networks
from bench.evaluation.grids import PICTURE_SEED, fixed_latents, strips_png
from bench.evaluation.sampling import evaluation_mode, made_of, slerp

DIRECTIONS, ARITHMETIC = "directions", "arithmetic"
ROWS = 4
COLUMNS = 10
STEPS = 8
REACH = 0.5  # of the angle between a latent and a direction: far enough to arrive, near enough to stay like itself
EXAMPLES = 1_000  # latents that means are taken of
LEAST = 24  # of a class, of which a third is bright and a third dark
MOST_MOVED = 50  # latents of a class that are moved to count how many arrive

Classify = Callable[[Tensor], Tensor]  # images uint8 [n, C, H, W] -> predicted classes [n]


@dataclass(frozen=True, kw_only=True)
class Explored:
    """Pictures as PNG bytes by name, and JSON that says what is in their rows."""

    pictures: Mapping[str, bytes]
    words: Mapping[str, Any]


@torch.no_grad()
def traversals(networks: Networks, device: torch.device) -> dict[str, bytes]:
    """A picture of each part of the latent that the model says can be turned, four latents a picture; none for most models."""
    with evaluation_mode(networks):
        found = networks.traversals(fixed_latents(networks, device, ROWS), COLUMNS)
        return {name: strips_png(made_of(networks, latent, len(latent)), len(latent) // ROWS) for name, latent in found.items()}


@torch.no_grad()
def explore(networks: Networks, classify: Classify, class_names: Sequence[str], *, batch_size: int, device: torch.device) -> Explored:
    """Class directions and latent arithmetic of a model without labels; nothing where it makes too few images of two classes."""
    with evaluation_mode(networks):
        latent = networks.draw(EXAMPLES, random_streams.stream(PICTURE_SEED, "latents", device))
        images = made_of(networks, latent, batch_size)
        classes = classify(images)
        of_class = [(classes == label).nonzero().flatten() for label in range(len(class_names))]
        there = [label for label, rows in enumerate(of_class) if len(rows) >= LEAST]
        pairs = list(pairwise(there))[: 2 * ROWS : 2]
        if not pairs:
            return Explored(pictures={}, words={})
        strips, sums, ways, terms = [], [], [], []
        for start, end in pairs:
            strip, reached = _direction(networks, latent, of_class[start], of_class[end], classify, end)
            strips.append(strip)
            ways.append({"from": class_names[start], "to": class_names[end], "reached": reached})
            sums.append(_arithmetic(networks, latent, images, of_class[start], of_class[end]))
            terms.append({"of": class_names[start], "to": class_names[end]})
    pictures = {DIRECTIONS: strips_png(torch.cat(strips), STEPS), ARITHMETIC: strips_png(torch.cat(sums), 4)}
    return Explored(pictures=pictures, words={DIRECTIONS: ways, ARITHMETIC: terms})


def _direction(
    networks: Networks, latent: Latent, start: Tensor, end: Tensor, classify: Classify, target: int
) -> tuple[Tensor, float]:  # fmt: skip
    """One latent on its way from class to class [STEPS images], and the share of the class's latents that arrive at the end of it."""
    z = latent.z
    way = z[end].mean(dim=0) - z[start].mean(dim=0)
    moved = latent[start[:MOST_MOVED].to(z.device)]
    goal = way.expand_as(moved.z) * (_norm(moved.z) / _norm(way[None]))
    arrived = made_of(networks, replace(moved, z=slerp(moved.z, goal, REACH)), MOST_MOVED)
    reached = float((classify(arrived) == target).double().mean())
    first = moved[torch.zeros(STEPS, dtype=torch.int64, device=z.device)]
    walk = torch.cat([slerp(moved.z[:1], goal[:1], REACH * step / (STEPS - 1)) for step in range(STEPS)])
    return made_of(networks, replace(first, z=walk), STEPS), reached


def _arithmetic(networks: Networks, latent: Latent, images: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Images of bright, dark, the other's dark, and of bright - dark + the other's dark: four mean latents at the length of a usual one."""

    def mean(rows: Tensor, *, bright: bool) -> Tensor:
        order = images[rows].flatten(1).double().mean(dim=1).argsort(descending=bright, stable=True)
        return latent.z[rows[order[: len(rows) // 3]].to(latent.z.device)].mean(dim=0)

    bright, dark, to = mean(one, bright=True), mean(one, bright=False), mean(other, bright=False)
    z = torch.stack([bright, dark, to, bright - dark + to])
    usual = _norm(latent.z).mean()
    rows = latent[other[:1].to(latent.z.device).expand(len(z))]
    return made_of(networks, replace(rows, z=z * (usual / _norm(z))), len(z))


def _norm(z: Tensor) -> Tensor:
    """The length of each latent [n, ...], as [n, 1, ...]."""
    return z.flatten(1).norm(dim=1).reshape(-1, *[1] * (z.dim() - 1))
