"""Layers that torch has not, and layers that equal torch's own and are faster on a CPU, where torch's are slow."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import fold

FEW_CHANNELS = 4


class ConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution. To few output channels on a CPU it is a matrix product and a fold: oneDNN pads them to 16."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Images [N, C_out, H_out, W_out]."""
        plain = self.groups == 1 and self.dilation == (1, 1) and self.output_padding == (0, 0) and self.bias is None and output_size is None
        if not plain or self.out_channels > FEW_CHANNELS or input.device.type != "cpu":
            return super().forward(input, output_size)
        patches = torch.matmul(self.weight.flatten(1).t(), input.flatten(2))  # [N, C_out * k * k, H * W]
        padding = cast("tuple[int, int]", self.padding)  # torch's type also has the strings of plain convolutions
        sides = tuple(
            (size - 1) * stride - 2 * pad + kernel
            for size, stride, pad, kernel in zip(input.shape[2:], self.stride, padding, self.kernel_size, strict=True)
        )
        return fold(patches, sides, self.kernel_size, stride=self.stride, padding=padding)


class Dropout(nn.Dropout):
    """Dropout (Srivastava et al. 2014). On a CPU its mask is drawn as uniform numbers, faster than torch draws Bernoulli's."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with a share p of its numbers set to 0 and the rest scaled by 1 / (1 - p), in training only."""
        if not self.training or self.p == 0.0 or input.device.type != "cpu":
            return super().forward(input)
        kept = torch.rand(input.shape) >= self.p
        return input * kept.to(input.dtype).div_(1.0 - self.p)


class Maxout(nn.Module):
    """The largest of `pieces` affine maps, for each output (Goodfellow et al. 2013, arXiv 1302.4389, eq. 1)."""

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.affine = nn.Linear(inputs, outputs * pieces)
        self.pieces = pieces

    def forward(self, data: Tensor) -> Tensor:
        """Vectors [N, inputs] to [N, outputs]; output i is the largest of the maps i * pieces, ..., (i + 1) * pieces - 1."""
        maps: Tensor = self.affine(data)
        return maps.unflatten(1, (-1, self.pieces)).amax(dim=2)
