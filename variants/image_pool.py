"""The pool of generated images, from which a discriminator also gets earlier ones (Shrivastava et al. 2017, arXiv 1612.07828, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Pool of images, as in CycleGAN's code. Its images and their number are buffers, so a checkpoint contains them.

    Until the pool is full, each image enters it and is returned. Then each image is returned with probability 1/2. Otherwise it takes the
    place of a random image of the pool, which is returned.
    """

    images: Tensor  # [size, *shape]
    count: Tensor  # [], int64

    def __init__(self, size: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, new: Tensor, noise: torch.Generator) -> Tensor:
        """Return as many images as `new` [n, *shape], new or earlier ones. All randomness is from `noise`."""
        size, n = len(self.images), len(new)
        old = (torch.rand(n, generator=noise, device=noise.device) < 0.5).tolist()
        places = torch.randint(size, (n,), generator=noise, device=noise.device).tolist()
        found, filled = [], int(self.count)
        for image, is_old, place in zip(new, old, places, strict=True):
            if filled < size:
                self.images[filled] = image
                filled += 1
                found.append(image)
            elif is_old:
                found.append(self.images[place].to(image.dtype).clone())
                self.images[place] = image
            else:
                found.append(image)
        self.count.fill_(filled)
        return torch.stack(found)
