"""Pictures of the latent space: traversals of single latent parts, class directions and latent arithmetic.

A class direction leads from the mean latent of one class to the mean latent of another. The classifier assigns the classes from the images.
Latent arithmetic adds and subtracts mean latents (Radford et al. 2015, arXiv 1511.06434, section 6.3.2). Here it is bright - dark of one
class + dark of another.
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
from bench.evaluation.sampling import evaluation_mode, generate, slerp

DIRECTIONS, ARITHMETIC = "directions", "arithmetic"
ROWS = 4
COLUMNS = 10
STEPS = 8
REACH = 0.5  # share of the angle between a latent and a direction: enough to change the class and keep the style
EXAMPLES = 1_000  # latents for the class means
LEAST = 24  # latents of a class, of which one third is bright and one third is dark
MOST_MOVED = 50  # latents of a class, for the share that a direction moves to the other class

Classify = Callable[[Tensor], Tensor]  # images uint8 [n, C, H, W] -> predicted classes [n]


@dataclass(frozen=True, kw_only=True)
class LatentPictures:
    """Pictures as PNG bytes by name, and JSON values that describe their rows."""

    pictures: Mapping[str, bytes]
    rows: Mapping[str, Any]


@torch.no_grad()
def traversals(networks: Networks, device: torch.device) -> dict[str, bytes]:
    """Draw a traversal of each latent part that the model declares, four latents in a picture. Most models declare none."""
    with evaluation_mode(networks):
        found = networks.traversals(fixed_latents(networks, device, ROWS), COLUMNS)
        return {name: strips_png(generate(networks, latent, len(latent)), len(latent) // ROWS) for name, latent in found.items()}


@torch.no_grad()
def explore(networks: Networks, classify: Classify, class_names: Sequence[str], *, batch_size: int, device: torch.device) -> LatentPictures:
    """Draw class directions and latent arithmetic of an unconditional model.

    The result is empty if fewer than two classes have enough generated images.
    """
    with evaluation_mode(networks):
        latent = networks.draw(EXAMPLES, random_streams.stream(PICTURE_SEED, "latents", device))
        images = generate(networks, latent, batch_size)
        classes = classify(images)
        of_class = [(classes == label).nonzero().flatten() for label in range(len(class_names))]
        common = [label for label, rows in enumerate(of_class) if len(rows) >= LEAST]
        pairs = list(pairwise(common))[: 2 * ROWS : 2]
        if not pairs:
            return LatentPictures(pictures={}, rows={})
        strips, sums, ways, terms = [], [], [], []
        for start, end in pairs:
            strip, reached = _direction(networks, latent, of_class[start], of_class[end], classify, end)
            strips.append(strip)
            ways.append({"from": class_names[start], "to": class_names[end], "reached": reached})
            sums.append(_arithmetic(networks, latent, images, of_class[start], of_class[end]))
            terms.append({"of": class_names[start], "to": class_names[end]})
    pictures = {DIRECTIONS: strips_png(torch.cat(strips), STEPS), ARITHMETIC: strips_png(torch.cat(sums), 4)}
    return LatentPictures(pictures=pictures, rows={DIRECTIONS: ways, ARITHMETIC: terms})


def _direction(
    networks: Networks, latent: Latent, start: Tensor, end: Tensor, classify: Classify, target: int
) -> tuple[Tensor, float]:  # fmt: skip
    """Return images of one latent that moves to the other class [STEPS, C, H, W], and the share of latents that reach that class."""
    z = latent.z
    way = z[end].mean(dim=0) - z[start].mean(dim=0)
    moved = latent[start[:MOST_MOVED].to(z.device)]
    goal = way.expand_as(moved.z) * (_norm(moved.z) / _norm(way[None]))
    arrived = generate(networks, replace(moved, z=slerp(moved.z, goal, REACH)), MOST_MOVED)
    reached = float((classify(arrived) == target).double().mean())
    first = moved[torch.zeros(STEPS, dtype=torch.int64, device=z.device)]
    walk = torch.cat([slerp(moved.z[:1], goal[:1], REACH * step / (STEPS - 1)) for step in range(STEPS)])
    return generate(networks, replace(first, z=walk), STEPS), reached


def _arithmetic(networks: Networks, latent: Latent, images: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return images of four mean latents: bright, dark, the other class's dark, and bright - dark + the other's dark.

    The function scales each mean latent to the mean length of a latent.
    """

    def mean(rows: Tensor, *, bright: bool) -> Tensor:
        order = images[rows].flatten(1).double().mean(dim=1).argsort(descending=bright, stable=True)
        return latent.z[rows[order[: len(rows) // 3]].to(latent.z.device)].mean(dim=0)

    bright, dark, to = mean(one, bright=True), mean(one, bright=False), mean(other, bright=False)
    z = torch.stack([bright, dark, to, bright - dark + to])
    usual = _norm(latent.z).mean()
    rows = latent[other[:1].to(latent.z.device).expand(len(z))]
    return generate(networks, replace(rows, z=z * (usual / _norm(z))), len(z))


def _norm(z: Tensor) -> Tensor:
    """Return the length of each latent [n, ...], as [n, 1, ...]."""
    return z.flatten(1).norm(dim=1).reshape(-1, *[1] * (z.dim() - 1))
