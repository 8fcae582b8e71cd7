"""Pictures of what a generator makes: grids or scattered points on fixed noise, and walks from one latent to another."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from bench.core import random_streams
from bench.core.spec import Dataset, Latent, Networks, to_bytes
from bench.evaluation.sampling import evaluation_mode, slerp
from bench.evaluation.scatter import scatter_png

PICTURE_SEED = 0  # the same for every run, so that equal latent widths see equal noise
SIDE = 8
STEPS = 8
POINTS = 2_500  # in a picture of points: as many as PacGAN counts modes in
MARK_SHARES = (0.02, 0.08, 0.2, 0.45, 0.75)  # of the budget: early steps change most


def fixed_latents(networks: Networks, device: torch.device, n: int = SIDE * SIDE) -> Latent:
    """The latents of every picture of a run; of a conditional model the classes in their order, in equal shares."""
    labels = torch.arange(n, device=device) * networks.classes // n if networks.classes else None
    with evaluation_mode(networks):
        return networks.draw(n, random_streams.stream(PICTURE_SEED, "grid", device), labels)


def shown_of(dataset: Dataset) -> int:
    """How many examples a picture of this data shows."""
    return POINTS if dataset.spec.kind == "points" else SIDE * SIDE


def picture_of(data: Tensor, dataset: Dataset) -> bytes:
    """Examples like this data's as PNG bytes: the first 64 of uint8 images [n, C, H, W] in a grid, the first 2,500 points [n, 2] scattered."""
    return scatter_png(data[:POINTS], dataset) if dataset.spec.kind == "points" else grid_of(data)


@torch.no_grad()
def made_png(networks: Networks, latents: Latent, dataset: Dataset) -> bytes:
    """What these latents become, in evaluation mode, as PNG bytes."""
    with evaluation_mode(networks):
        made = networks.sample(latents)
    return picture_of(made.cpu() if dataset.spec.kind == "points" else to_bytes(made).cpu(), dataset)


def grid_of(images: Tensor) -> bytes:
    """The first 64 of uint8 images [n, C, H, W] as an 8 x 8 grid, PNG bytes."""
    return strips_png(images[: SIDE * SIDE], SIDE)


def sheet_of(images: Tensor) -> bytes:
    """All of uint8 images [n, C, H, W] in a grid that is about square, PNG bytes."""
    return strips_png(images, math.ceil(math.sqrt(len(images))))


def nearest_png(pairs: Tensor) -> bytes:
    """Generated images, each followed by the training image nearest to it, four such pairs a row: uint8 [2 m, C, H, W] as PNG bytes."""
    return strips_png(pairs, SIDE)


@torch.no_grad()
def interpolation_png(networks: Networks, latents: Latent) -> bytes:
    """Four walks of 8 steps, each from one fixed latent to another along the sphere, as PNG bytes. Those of a conditional model are in four classes."""
    rows = 4
    apart = len(latents.z) // rows if networks.classes else 1
    first = torch.arange(rows, device=latents.z.device) * apart
    start, end = latents.z[first], latents.z[first + (1 if apart > 1 else rows)]
    walks = torch.stack([slerp(start, end, step / (STEPS - 1)) for step in range(STEPS)], dim=1).flatten(0, 1)
    return strips_png(_sampled(networks, replace(latents[first.repeat_interleave(STEPS)], z=walks)), STEPS)


def _sampled(networks: Networks, latents: Latent) -> Tensor:
    with evaluation_mode(networks):
        return to_bytes(networks.sample(latents)).cpu()


def strips_png(images: Tensor, columns: int) -> bytes:
    """uint8 [n, C, H, W] as one PNG with a white pixel between images."""
    grid = make_grid(images, nrow=columns, padding=1, pad_value=255)  # [3, H, W]
    array = grid.permute(1, 2, 0).contiguous().numpy()
    picture = Image.fromarray(array[:, :, 0] if images.shape[1] == 1 else array)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
