"""Pictures of what a generator makes: grids on fixed noise, and walks from one latent to another."""

from __future__ import annotations

import io
import math

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from bench import seeding
from bench.evaluate import evaluation_mode
from bench.spec import Latent, Networks, to_bytes

PICTURE_SEED = 0  # the same for every run, so that equal latent widths see equal noise
SIDE = 8
STEPS = 8
MARK_SHARES = (0.02, 0.08, 0.2, 0.45, 0.75)  # of the budget: early steps change most


def fixed_latents(networks: Networks, device: torch.device, n: int = SIDE * SIDE) -> Latent:
    """The latents of every grid of a run."""
    return networks.draw(n, seeding.stream(PICTURE_SEED, "grid", device))


@torch.no_grad()
def grid_png(networks: Networks, latents: Latent) -> bytes:
    """An 8 x 8 grid as PNG bytes, in evaluation mode."""
    return _png(_sampled(networks, latents), SIDE)


def grid_of(images: Tensor) -> bytes:
    """The first 64 of uint8 images [n, C, H, W] as an 8 x 8 grid, PNG bytes."""
    return _png(images[: SIDE * SIDE], SIDE)


def sheet_of(images: Tensor) -> bytes:
    """All of uint8 images [n, C, H, W] in a grid that is about square, PNG bytes."""
    return _png(images, math.ceil(math.sqrt(len(images))))


@torch.no_grad()
def interpolation_png(networks: Networks, latents: Latent) -> bytes:
    """Four walks of 8 steps, each from one fixed latent to another along the sphere, as PNG bytes."""
    rows = 4
    start, end = latents.z[:rows], latents.z[rows : 2 * rows]
    walks = torch.stack([slerp(start, end, step / (STEPS - 1)) for step in range(STEPS)], dim=1).flatten(0, 1)
    conditions = torch.arange(rows, device=walks.device).repeat_interleave(STEPS)
    labels = None if latents.labels is None else latents.labels[conditions]
    extra = {name: value[conditions] for name, value in latents.extra.items()}
    return _png(_sampled(networks, Latent(z=walks, labels=labels, extra=extra)), STEPS)


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Spherical interpolation [n, ...] (Shoemake 1985): Gaussian latents keep their length on the way; 0 gives start, 1 gives end."""
    a, b = start.flatten(1), end.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1).clamp(-1 + 1e-6, 1 - 1e-6)
    angle = cosine.acos().unsqueeze(1)
    mixed = ((1 - share) * angle).sin() / angle.sin() * a + (share * angle).sin() / angle.sin() * b
    return mixed.reshape(start.shape)


def _sampled(networks: Networks, latents: Latent) -> Tensor:
    with evaluation_mode(networks):
        return to_bytes(networks.sample(latents)).cpu()


def _png(images: Tensor, columns: int) -> bytes:
    """uint8 [n, C, H, W] as one PNG with a white pixel between images."""
    grid = make_grid(images, nrow=columns, padding=1, pad_value=255)  # [3, H, W]
    array = grid.permute(1, 2, 0).contiguous().numpy()
    picture = Image.fromarray(array[:, :, 0] if images.shape[1] == 1 else array)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
