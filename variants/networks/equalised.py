"""Layers with an equalised learning rate, and pixel norm (Karras et al. 2018, arXiv 1710.10196, section 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

GAIN = math.sqrt(2.0)  # He's, for what a rectifier follows


class Equalised(nn.Module):
    """Weights drawn from N(0, 1) and scaled at use by gain / fan-in ** .5, so that Adam changes all layers at the same relative rate.

    `rate` is the share of the learning rate at which they move (Karras et al. 2019, arXiv 1812.04948, appendix C). Such weights are not
    re-drawn by `recipe.init`, which is for torch's own layers: a scheme of first weights would be scaled a second time.
    """

    def __init__(self, shape: tuple[int, ...], *, gain: float = 1.0, rate: float = 1.0, bias: bool = True, first_bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape) / rate)
        self.bias = nn.Parameter(torch.full((shape[0],), first_bias / rate)) if bias else None
        self.scale = rate * gain / math.sqrt(math.prod(shape[1:]))
        self.rate = rate
        self._shape = shape

    def extra_repr(self) -> str:
        """The shape of the weight and its scale. The weight itself is not asked for: of spectral norm that is a step."""
        rate = "" if self.rate == 1.0 else f", rate={self.rate:g}"
        return f"weight={list(self._shape)}, bias={self.bias is not None}, scale={self.scale:.3g}{rate}"

    def scaled(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias as they are used."""
        bias = self.bias if self.bias is None or self.rate == 1.0 else self.bias * self.rate
        return self.weight * self.scale, bias


class EqualLinear(Equalised):
    """An affine map."""

    def __init__(
        self, inputs: int, outputs: int, *, gain: float = 1.0, rate: float = 1.0, bias: bool = True, first_bias: float = 0.0
    ) -> None:
        super().__init__((outputs, inputs), gain=gain, rate=rate, bias=bias, first_bias=first_bias)

    def forward(self, data: Tensor) -> Tensor:
        """Vectors [N, inputs] to [N, outputs]."""
        return linear(data, *self.scaled())


class EqualConv2d(Equalised):
    """A convolution that keeps the size, or divides it by the stride; at `padding=0` one without padding."""

    def __init__(
        self, inputs: int, outputs: int, size: int, *, gain: float = 1.0, bias: bool = True, stride: int = 1, padding: int | None = None
    ) -> None:
        super().__init__((outputs, inputs, size, size), gain=gain, bias=bias)
        self.stride = stride
        self.padding = size // 2 if padding is None else padding

    def extra_repr(self) -> str:
        """Also the stride and the padding."""
        return f"{super().extra_repr()}, stride={self.stride}, padding={self.padding}"

    def forward(self, data: Tensor) -> Tensor:
        """Feature maps [N, outputs, H, W]."""
        return conv2d(data, *self.scaled(), stride=self.stride, padding=self.padding)


class PixelNorm(nn.Module):
    """Each pixel's vector of channels, or each vector [N, C], divided by its root mean square: section 4.2."""

    def forward(self, data: Tensor) -> Tensor:
        """The same shape."""
        return data * (data.float().square().mean(dim=1, keepdim=True) + 1e-8).rsqrt().to(data.dtype)
