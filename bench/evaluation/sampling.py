"""Sampling a generator as every metric and picture does: in evaluation mode, from latents that depend on a seed alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.spec import Dataset, Latent, Networks, to_bytes
from bench.training.precision import float32_products

log = logging.getLogger(__name__)

WALKS = "walks"  # the stream of the latents that paths lead between
WALK_PAIRS = 100
WALK_STEPS = 16


def sample(
    networks: Networks, *, n: int, seed: int, batch_size: int, device: torch.device, labels: Tensor | None = None,
    stream: str = random_streams.EVALUATION, points: bool = False,
) -> Tensor:  # fmt: skip
    """n examples as every metric sees them, on the CPU: images uint8 [n, C, H, W], or points float32 [n, D].

    All latents are drawn at once and then sliced, so the batch size changes no example. `labels` [n] are for conditional models.
    """
    with evaluation_mode(networks), torch.no_grad(), torch.autocast(device.type, enabled=False):
        latent = networks.draw(n, random_streams.stream(seed, stream, device), None if labels is None else labels.to(device))
        return made_of(networks, latent, batch_size, points=points)


def asked_labels(networks: Networks, dataset: Dataset, n: int, *, seed: int, stream: str = random_streams.EVALUATION) -> Tensor | None:
    """The labels [n] that a conditional model is asked for: of training examples drawn at random, so in the data's own mix. Else None."""
    if not networks.classes:
        return None
    labels = dataset.split("train").labels
    if labels is None:
        raise ValueError(f"{dataset.name} has no labels to ask a conditional model for")
    return labels[torch.randint(len(labels), (n,), generator=random_streams.stream(seed, f"{stream}-labels"))]


def sample_walks(networks: Networks, *, seed: int, batch_size: int, device: torch.device, labels: Tensor | None = None) -> Tensor:
    """Images on paths between pairs of random latents, along the sphere: uint8 [pairs, steps + 1, C, H, W] on the CPU.

    `labels` [pairs] are for conditional models: a path stays in its class.
    """
    with evaluation_mode(networks), torch.no_grad(), torch.autocast(device.type, enabled=False):
        both = None if labels is None else labels.repeat(2).to(device)
        latent = networks.draw(2 * WALK_PAIRS, random_streams.stream(seed, WALKS, device), both)
        path = _between(latent[:WALK_PAIRS], latent[WALK_PAIRS:])
        made = made_of(networks, path, batch_size)
    return made.reshape(WALK_PAIRS, WALK_STEPS + 1, *made.shape[1:])


def _between(start: Latent, end: Latent) -> Latent:
    """The latents of whole paths, one path after the other. Labels and extras stay those of the start."""
    rows = torch.arange(len(start), device=start.z.device).repeat_interleave(WALK_STEPS + 1)
    return replace(start[rows], z=paths_between(start.z, end.z))


def paths_between(start: Tensor, end: Tensor) -> Tensor:
    """The points of whole paths between rows [n, ...], one path after the other: [n * (steps + 1), ...]."""
    return torch.stack([slerp(start, end, step / WALK_STEPS) for step in range(WALK_STEPS + 1)], dim=1).flatten(0, 1)


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Spherical interpolation [n, ...] (Shoemake 1985): Gaussian latents keep their length on the way; 0 gives start, 1 gives end."""
    a, b = start.flatten(1), end.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1).clamp(-1 + 1e-6, 1 - 1e-6)
    angle = cosine.acos().unsqueeze(1)
    mixed = ((1 - share) * angle).sin() / angle.sin() * a + (share * angle).sin() / angle.sin() * b
    return mixed.reshape(start.shape)


def made_of(networks: Networks, latent: Latent, batch_size: int, *, points: bool = False) -> Tensor:
    """What these latents become, as every metric sees it, on the CPU; networks in evaluation mode."""
    parts, broken = [], 0
    for start in range(0, len(latent), batch_size):
        made = networks.sample(latent[start : start + batch_size])
        broken += int((~made.isfinite()).flatten(1).any(dim=1).sum())
        parts.append(made.float().cpu() if points else to_bytes(made).cpu())
    if broken:
        log.warning("%d of %d generated examples hold values that are infinite or not a number", broken, len(latent))
    return torch.cat(parts)


@contextmanager
def evaluation_mode(networks: Networks) -> Iterator[None]:
    """Context manager in which every module is in evaluation mode, and float32 products follow the run's `tf32`; after, all is as it was."""
    training = [module for module in networks.modules() if module.training]
    networks.eval()
    try:
        with float32_products(tf32=networks.tf32):
            yield
    finally:
        for module in training:
            module.training = True
