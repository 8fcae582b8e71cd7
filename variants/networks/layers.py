"""Layers that torch lacks, and faster versions of torch's layers for the CPU."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import fold, linear, unfold

FEW_CHANNELS = 4
LEVELS = 2**16  # number of values of a random number of 16 bits


class ConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution, faster on a CPU. From one pixel it is a matrix product. To few channels it is a matrix product and a fold.

    oneDNN is slower for one pixel, and pads few channels to 16. For a strided convolution from one pixel to one pixel in bfloat16,
    it also leaves most of the weights' gradient uninitialised (torch 2.14).
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return images [N, C_out, H_out, W_out]."""
        plain = self.groups == 1 and self.dilation == (1, 1) and self.bias is None and output_size is None
        if not plain or input.dim() != 4 or input.device.type != "cpu":
            return super().forward(input, output_size)
        padding = cast("tuple[int, int]", self.padding)  # torch's type also has the strings of plain convolutions
        if input.shape[2:] == (1, 1) and all(more <= pad for more, pad in zip(self.output_padding, padding, strict=True)):
            return self._of_one_pixel(input, padding)
        few = self.out_channels <= FEW_CHANNELS and self.output_padding == (0, 0)
        return self._to_few_channels(input, padding) if few else super().forward(input)

    def _of_one_pixel(self, input: Tensor, padding: tuple[int, int]) -> Tensor:
        """Map [N, C_in, 1, 1] to [N, C_out, H_out, W_out] in the memory format of the weights, so that no copy is needed."""
        window = tuple(
            slice(pad, kernel - pad + more) for pad, kernel, more in zip(padding, self.kernel_size, self.output_padding, strict=True)
        )
        last = is_channels_last(self.weight)
        weight = self.weight[:, :, window[0], window[1]]
        weight = weight.permute(0, 2, 3, 1) if last else weight
        output = torch.matmul(input.flatten(1), weight.flatten(1)).view(len(input), *weight.shape[1:])
        return output.permute(0, 3, 1, 2) if last else output

    def _to_few_channels(self, input: Tensor, padding: tuple[int, int]) -> Tensor:
        if is_channels_last(input):
            pixels = input.permute(0, 2, 3, 1).flatten(1, 2)  # [N, H * W, C]
            patches = torch.matmul(pixels, self.weight.flatten(1)).transpose(1, 2)  # [N, C_out * k * k, H * W]
        else:
            patches = torch.matmul(self.weight.flatten(1).t(), input.flatten(2))
        sides = tuple(
            (size - 1) * stride - 2 * pad + kernel
            for size, stride, pad, kernel in zip(input.shape[2:], self.stride, padding, self.kernel_size, strict=True)
        )
        return fold(patches, sides, self.kernel_size, stride=self.stride, padding=padding)


class Conv2d(nn.Conv2d):
    """Convolution, faster on a CPU. From few channels it is an unfold and a matrix product, if only the input needs a gradient.

    That is the case in G's update. oneDNN pads the few channels of that gradient to 16. From one pixel to one pixel it is a matrix
    product, for the reason that `ConvTranspose2d` gives.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return images [N, C_out, H_out, W_out]."""
        plain = self.groups == 1 and self.dilation == (1, 1) and self.padding_mode == "zeros" and not isinstance(self.padding, str)
        if not plain or input.dim() != 4 or input.device.type != "cpu":
            return super().forward(input)
        padding = cast("tuple[int, int]", self.padding)
        if input.shape[2:] == (1, 1) and all(kernel == 2 * pad + 1 for kernel, pad in zip(self.kernel_size, padding, strict=True)):
            return linear(input.flatten(1), self.weight[:, :, padding[0], padding[1]], self.bias)[:, :, None, None]
        backwards = torch.is_grad_enabled() and input.requires_grad and not self.weight.requires_grad
        if not backwards or self.in_channels > FEW_CHANNELS:
            return super().forward(input)
        height, width = (
            (size + 2 * pad - kernel) // stride + 1
            for size, pad, kernel, stride in zip(input.shape[2:], padding, self.kernel_size, self.stride, strict=True)
        )
        patches = unfold(input, self.kernel_size, stride=self.stride, padding=padding)  # [N, C_in * k * k, H_out * W_out]
        output = torch.matmul(patches.transpose(1, 2), self.weight.flatten(1).t())
        if self.bias is not None:
            output = output + self.bias.to(output.dtype)
        return output.view(len(input), height, width, -1).permute(0, 3, 1, 2)


def is_channels_last(tensor: Tensor) -> bool:
    """Return whether images or weights [N, C, H, W] are in channels-last format in memory, and not also contiguous."""
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


class Dropout(nn.Dropout):
    """Dropout (Srivastava et al. 2014), faster on a CPU. It draws four elements of its mask at a time, where torch's layer draws one.

    It rounds p to 16 bits, and scales by the rounded p.
    """

    def forward(self, input: Tensor) -> Tensor:
        """In training, set each element to 0 with probability p, and scale the others by 1 / (1 - p). Otherwise return the input."""
        dropped = round(self.p * LEVELS)
        if not self.training or dropped in (0, LEVELS) or input.device.type != "cpu":
            return super().forward(input)
        count = input.numel()
        levels = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)  # uniform over 2**16 values
        mask = levels[:count].view(input.shape) >= dropped - LEVELS // 2
        return input * mask.to(input.dtype).mul_(LEVELS / (LEVELS - dropped))


class Maxout(nn.Module):
    """Layer whose outputs are each the largest of `pieces` affine maps (Goodfellow et al. 2013, arXiv 1302.4389, eq. 1)."""

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.affine = nn.Linear(inputs, outputs * pieces)
        self.pieces = pieces

    def forward(self, data: Tensor) -> Tensor:
        """Map vectors [N, inputs] to [N, outputs]. Output i is the largest of the maps i * pieces, ..., (i + 1) * pieces - 1."""
        maps: Tensor = self.affine(data)
        return maps.unflatten(1, (-1, self.pieces)).amax(dim=2)
