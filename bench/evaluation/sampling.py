"""Sample a generator in evaluation mode, from latents that depend only on a seed. All metrics and pictures use these functions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from bench.core import random_streams
from bench.core.spec import Dataset, Latent, Networks, to_bytes, to_unit_range
from bench.tasks.catalog import task_of
from bench.training.precision import float32_products

log = logging.getLogger(__name__)

WALKS = "walks"  # the random stream of the endpoints of paths
WALK_PAIRS = 100
WALK_STEPS = 16


def sample(
    networks: Networks, *, n: int, seed: int, batch_size: int, device: torch.device, labels: Tensor | None = None,
    given: Tensor | None = None, stream: str = random_streams.EVALUATION, points: bool = False,
) -> Tensor:  # fmt: skip
    """Sample n images uint8 [n, C, H, W], or points float32 [n, D], on the CPU.

    Draws all latents at once and then slices them, so the batch size changes no example. `labels` [n] are for conditional models, `given`
    uint8 [n, ...] for those that translate.
    """
    with evaluation_mode(networks), torch.no_grad(), torch.autocast(device.type, enabled=False):
        latent = networks.draw(n, random_streams.stream(seed, stream, device), None if labels is None else labels.to(device))
        return generate(networks, replace(latent, given=given), batch_size, points=points)


def is_random(networks: Networks) -> bool:
    """Return whether two outputs of the networks may differ although labels and given examples are equal."""
    latent = networks.draw(1, random_streams.stream(0, "probe", next(networks.parameters()).device), _one_label(networks))
    return latent.z.numel() > 0 or any(part.numel() > 0 for part in latent.extra.values())


def _one_label(networks: Networks) -> Tensor | None:
    return torch.zeros(1, dtype=torch.int64, device=next(networks.parameters()).device) if networks.classes else None


def sample_labels(networks: Networks, dataset: Dataset, n: int, *, seed: int, stream: str = random_streams.EVALUATION) -> Tensor | None:
    """Sample labels [n] for a conditional model by the task of the dataset. Returns None for other models.

    Raises ValueError if the dataset has no labels.
    """
    return task_of(dataset.spec).ask(dataset, n, classes=networks.classes, seed=seed, stream=stream).labels


def sample_walks(networks: Networks, *, seed: int, batch_size: int, device: torch.device, labels: Tensor | None = None) -> Tensor:
    """Sample images on paths between pairs of random latents, along the sphere: uint8 [pairs, steps + 1, C, H, W] on the CPU.

    `labels` [pairs] are for conditional models: each path stays in one class.
    """
    with evaluation_mode(networks), torch.no_grad(), torch.autocast(device.type, enabled=False):
        both = None if labels is None else labels.repeat(2).to(device)
        latent = networks.draw(2 * WALK_PAIRS, random_streams.stream(seed, WALKS, device), both)
        path = _between(latent[:WALK_PAIRS], latent[WALK_PAIRS:])
        images = generate(networks, path, batch_size)
    return images.reshape(WALK_PAIRS, WALK_STEPS + 1, *images.shape[1:])


def _between(start: Latent, end: Latent) -> Latent:
    """Return the latents of all paths, one path after the other. Labels and extras are those of the start."""
    rows = torch.arange(len(start), device=start.z.device).repeat_interleave(WALK_STEPS + 1)
    return replace(start[rows], z=paths_between(start.z, end.z))


def paths_between(start: Tensor, end: Tensor) -> Tensor:
    """Return the points of the paths between rows [n, ...], one path after the other: [n * (steps + 1), ...]."""
    return torch.stack([slerp(start, end, step / WALK_STEPS) for step in range(WALK_STEPS + 1)], dim=1).flatten(0, 1)


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Interpolate spherically between latents [n, ...] (Shoemake 1985), which keeps the length of Gaussian latents.

    `share` 0 returns `start`, 1 returns `end`.
    """
    a, b = start.flatten(1), end.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1).clamp(-1 + 1e-6, 1 - 1e-6)
    angle = cosine.acos().unsqueeze(1)
    mixed = ((1 - share) * angle).sin() / angle.sin() * a + (share * angle).sin() / angle.sin() * b
    return mixed.reshape(start.shape)


def generate(networks: Networks, latent: Latent, batch_size: int, *, points: bool = False) -> Tensor:
    """Generate images uint8 [n, C, H, W], or points float32 [n, D], from latents, on the CPU. Expects networks in evaluation mode."""
    parts, broken = [], 0
    for start in range(0, len(latent), batch_size):
        output = networks.sample(_on_device(latent[start : start + batch_size]))
        broken += int((~output.isfinite()).flatten(1).any(dim=1).sum())
        parts.append(output.float().cpu() if points else to_bytes(output).cpu())
    if broken:
        log.warning("%d of %d generated examples contain infinite or NaN values", broken, len(latent))
    return torch.cat(parts)


def _on_device(latent: Latent) -> Latent:
    """Return the latent with its given examples in [-1, 1] on its device."""
    return latent if latent.given is None else replace(latent, given=to_unit_range(latent.given.to(latent.z.device)))


@contextmanager
def evaluation_mode(networks: Networks) -> Iterator[None]:
    """Context manager that puts every module into evaluation mode and applies the run's `tf32`. Restores both on exit."""
    training = [module for module in networks.modules() if module.training]
    networks.eval()
    try:
        with float32_products(tf32=networks.tf32):
            yield
    finally:
        for module in training:
            module.training = True
