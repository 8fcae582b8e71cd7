"""Sample grids, point pictures and interpolations of a generator as PNG. All runs use the same fixed noise."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from bench.core import random_streams
from bench.core.spec import Dataset, Latent, Networks, to_bytes, to_unit_range
from bench.evaluation.sampling import evaluation_mode, slerp
from bench.evaluation.scatter import scatter_png
from bench.tasks.catalog import task_of
from bench.tasks.task import Request

PICTURE_SEED = 0  # the same for every run: equal latent widths get equal noise
SIDE = 8
STEPS = 8
POINTS = 2_500  # in a picture of points: the number in which PacGAN counts modes
MARK_SHARES = (0.02, 0.08, 0.2, 0.45, 0.75)  # of the budget, for pictures during the training: early steps change most


def fixed_latents(networks: Networks, device: torch.device, n: int = SIDE * SIDE) -> Latent:
    """Return the n latents of all pictures of a run. For a conditional model, the classes are in order and have equal shares."""
    labels = torch.arange(n, device=device) * networks.classes // n if networks.classes else None
    with evaluation_mode(networks):
        return networks.draw(n, random_streams.stream(PICTURE_SEED, "grid", device), labels)


def picture_latents(networks: Networks, dataset: Dataset, device: torch.device) -> Latent:
    """Return the latents of all pictures of a run: those of fixed noise, or of fixed test inputs in a translation."""
    request = _request(dataset)
    if request is None:
        return fixed_latents(networks, device, picture_size(dataset))
    labels = None if request.labels is None or not networks.classes else request.labels.to(device)
    with evaluation_mode(networks):
        latent = networks.draw(request.n, random_streams.stream(PICTURE_SEED, "grid", device), labels)
    assert request.given is not None
    return replace(latent, given=to_unit_range(request.given.to(device)))


def _request(dataset: Dataset) -> Request | None:
    picture = task_of(dataset.spec).picture
    return None if picture is None else picture(dataset)


def picture_size(dataset: Dataset) -> int:
    """Return the number of examples in a picture of this dataset."""
    return POINTS if dataset.spec.kind == "points" else SIDE * SIDE


def picture_of(data: Tensor, dataset: Dataset) -> bytes:
    """Draw examples as PNG bytes.

    Images uint8 [n, C, H, W] give a grid of the first 64, points [n, 2] a scatter plot of the first 2,500.
    """
    return scatter_png(data[:POINTS], dataset) if dataset.spec.kind == "points" else grid_of(data)


@torch.no_grad()
def generated_png(networks: Networks, latents: Latent, dataset: Dataset) -> bytes:
    """Sample the networks on these latents in evaluation mode and draw the result as PNG bytes."""
    with evaluation_mode(networks):
        output = networks.sample(latents)
    data = output.cpu() if dataset.spec.kind == "points" else to_bytes(output).cpu()
    return picture_of(data, dataset) if latents.given is None else translations_png(data, dataset)


def translations_png(images: Tensor, dataset: Dataset) -> bytes:
    """Draw the translations of the fixed test inputs, in their order, beside the inputs, as PNG bytes."""
    request, arrange = _request(dataset), task_of(dataset.spec).arrange
    assert request is not None
    assert arrange is not None
    layout = arrange(request, images)
    return strips_png(layout.images, layout.columns)


def grid_of(images: Tensor) -> bytes:
    """Draw the first 64 of uint8 images [n, C, H, W] as an 8 x 8 grid, PNG bytes."""
    return strips_png(images[: SIDE * SIDE], SIDE)


def sheet_of(images: Tensor) -> bytes:
    """Draw all uint8 images [n, C, H, W] in a nearly square grid, PNG bytes."""
    return strips_png(images, math.ceil(math.sqrt(len(images))))


def nearest_png(pairs: Tensor) -> bytes:
    """Draw m pairs uint8 [2 m, C, H, W] of a generated image and its closest training image, four pairs a row, as PNG bytes."""
    return strips_png(pairs, SIDE)


@torch.no_grad()
def interpolation_png(networks: Networks, latents: Latent) -> bytes:
    """Draw four interpolations of 8 steps between fixed latents, along the sphere, as PNG bytes.

    With a conditional model, each interpolation is in a class of its own.
    """
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
    """Draw images uint8 [n, C, H, W] in a grid with `columns` columns and a white pixel between images, as PNG bytes."""
    grid = make_grid(images, nrow=columns, padding=1, pad_value=255)  # [3, H, W]
    array = grid.permute(1, 2, 0).contiguous().numpy()
    picture = Image.fromarray(array[:, :, 0] if images.shape[1] == 1 else array)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
