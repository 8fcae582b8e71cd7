"""The position of networks that grow, and real data at that position (Karras et al. 2018, arXiv 1710.10196, section 2 and figure 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from bench.core.spec import Step

WHOLE = 2**16  # a complete fade-in. Positions are integers, because averages of weights copy integer buffers


class Position(nn.Module):
    """Position of a network's growth: its stage, and the share of that stage's fade-in. A new network has its full size.

    Growth takes the share `grow` of the budget, in equal parts for all stages but the last. In the first half of a part the network
    has one stage's size. In the second half the next stage fades in.
    """

    at_stage: Tensor  # (stage, fade-in in 1 / WHOLE)

    def __init__(self, stages: int, grow: float) -> None:
        super().__init__()
        self.last = stages - 1
        self.grow = grow
        self.register_buffer("at_stage", torch.tensor([self.last, WHOLE]))

    def now(self) -> tuple[int, float]:
        """Return (stage from 0, share of its fade-in). The share is 1 after the fade-in."""
        stage, fade = self.at_stage.tolist()
        return stage, fade / WHOLE

    def put(self, stage: int, fade: float) -> None:
        """Set the position."""
        self.at_stage.copy_(torch.tensor([stage, round(fade * WHOLE)]))

    def follow(self, step: Step) -> None:
        """Set the position from the progress of training."""
        if not self.grow:
            return
        if step.budget_images is None:
            raise ValueError("growth needs a budget in images or updates; set recipe.grow=0 or another budget")
        self.put(*place(step.images / (self.grow * step.budget_images), self.last))

    def prepare(self, data: Tensor) -> Tensor:
        """Return real images [N, C, H, W] of the full size as D's input: at the size of the stage, with the fade-in of G's images."""
        stage, fade = self.now()
        images = shrink(data, 2 ** (self.last - stage))
        return images if fade == 1.0 else enlarge(shrink(images)).lerp(images, fade)

    def finish(self, images: Tensor) -> Tensor:
        """Enlarge images of the stage to the full size."""
        return enlarge(images, 2 ** (self.last - self.now()[0]))


def place(share: float, last: int) -> tuple[int, float]:
    """Return (stage, share of its fade-in) at a share of the growth. The stages are 0 to `last`."""
    if share >= 1.0 or not last:
        return last, 1.0
    stage, part = divmod(share * last, 1.0)
    return (int(stage), 1.0) if part < 0.5 else (int(stage) + 1, 2.0 * part - 1.0)


def enlarge(images: Tensor, times: int = 2) -> Tensor:
    """Enlarge images by repeating each pixel."""
    return images if times == 1 else interpolate(images, scale_factor=times, mode="nearest")


def shrink(images: Tensor, times: int = 2) -> Tensor:
    """Shrink images by averaging pixels."""
    return images if times == 1 else avg_pool2d(images, times)
