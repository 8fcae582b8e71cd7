"""Layers with an equalised learning rate, and pixel norm (Karras et al. 2018, arXiv 1710.10196, section 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

GAIN = math.sqrt(2.0)  # He's gain for layers before a rectifier


class Equalised(nn.Module):
    """Base of layers with weights from N(0, 1) that are scaled on use by gain / fan-in ** .5.

    The scale makes Adam change all layers at the same relative rate. `rate` is their share of the learning rate (Karras et al. 2019,
    arXiv 1812.04948, appendix C). `recipe.init` does not change these weights: it is for torch's layers, without a second scale.
    """

    def __init__(self, shape: tuple[int, ...], *, gain: float = 1.0, rate: float = 1.0, bias: bool = True, first_bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape) / rate)
        self.bias = nn.Parameter(torch.full((shape[0],), first_bias / rate)) if bias else None
        self.scale = rate * gain / math.sqrt(math.prod(shape[1:]))
        self.rate = rate
        self._shape = shape

    def extra_repr(self) -> str:
        """Return the shape of the weight and its scale. It does not read the weight, because with spectral norm that is a power iteration."""
        rate = "" if self.rate == 1.0 else f", rate={self.rate:g}"
        return f"weight={list(self._shape)}, bias={self.bias is not None}, scale={self.scale:.3g}{rate}"

    def scaled(self) -> tuple[Tensor, Tensor | None]:
        """Return the scaled weight and bias."""
        bias = self.bias if self.bias is None or self.rate == 1.0 else self.bias * self.rate
        return self.weight * self.scale, bias


class EqualLinear(Equalised):
    """Affine layer with an equalised learning rate."""

    def __init__(
        self, inputs: int, outputs: int, *, gain: float = 1.0, rate: float = 1.0, bias: bool = True, first_bias: float = 0.0
    ) -> None:
        super().__init__((outputs, inputs), gain=gain, rate=rate, bias=bias, first_bias=first_bias)

    def forward(self, data: Tensor) -> Tensor:
        """Map vectors [N, inputs] to [N, outputs]."""
        return linear(data, *self.scaled())


class EqualConv2d(Equalised):
    """Convolution with an equalised learning rate. By default its padding keeps the size, divided by the stride."""

    def __init__(
        self, inputs: int, outputs: int, size: int, *, gain: float = 1.0, bias: bool = True, stride: int = 1, padding: int | None = None
    ) -> None:
        super().__init__((outputs, inputs, size, size), gain=gain, bias=bias)
        self.stride = stride
        self.padding = size // 2 if padding is None else padding

    def extra_repr(self) -> str:
        """Return the shape and the scale of the weight, the stride and the padding."""
        return f"{super().extra_repr()}, stride={self.stride}, padding={self.padding}"

    def forward(self, data: Tensor) -> Tensor:
        """Return feature maps [N, outputs, H, W]."""
        return conv2d(data, *self.scaled(), stride=self.stride, padding=self.padding)


class PixelNorm(nn.Module):
    """Layer that divides each pixel's vector of channels, or each vector [N, C], by its root mean square: section 4.2."""

    def forward(self, data: Tensor) -> Tensor:
        """Return the normalised data, of the same shape."""
        return data * (data.float().square().mean(dim=1, keepdim=True) + 1e-8).rsqrt().to(data.dtype)
