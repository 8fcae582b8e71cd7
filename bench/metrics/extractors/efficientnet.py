"""The network EfficientNet-Lite0 without its classifier: Tan and Le 2019 (arXiv 1905.11946), table 1.

The Lite form has ReLU6 and no squeeze-and-excitation. Google published it for devices without a GPU:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

STEM, HEAD = 32, 1280  # channels of the first and the last convolution
EPSILON = 1e-3  # of batch norm
STAGES = (  # expansion, channels, blocks, stride of the first block, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class ConvNorm(nn.Module):
    """Convolution, batch norm and, if `bounded`, ReLU6. Pads like TensorFlow's `same`: for a stride of 2, less on the left and the top."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, bounded: bool = True) -> None:
        super().__init__()
        first, both = (kernel - stride) // 2, kernel - stride  # of an even side
        self.pad = nn.ZeroPad2d((first, both - first, first, both - first))
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.activation = nn.ReLU6() if bounded else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(self.pad(x))))

    def fuse(self) -> None:
        """Merge the batch norm into the convolution, for speed. The function is the same up to rounding."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class InvertedBottleneck(nn.Module):
    """Expansion, depthwise convolution and projection, with a skip connection if the shape stays."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        width = expansion * inputs
        expand = [ConvNorm(inputs, width, 1)] if expansion > 1 else []
        depthwise = ConvNorm(width, width, kernel, stride=stride, groups=width)
        self.body = nn.Sequential(*expand, depthwise, ConvNorm(width, outputs, 1, bounded=False))
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skips else self.body(x)


class EfficientNetLite0(nn.Module):
    """Network from images float32 [N, 3, H, W] to pooled features [N, 1280]. Sides are multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(3, STEM, 3, stride=2)]
        inputs = STEM
        for expansion, channels, blocks, stride, kernel in STAGES:
            for block in range(blocks):
                layers.append(InvertedBottleneck(inputs, channels, expansion=expansion, kernel=kernel, stride=stride if block == 0 else 1))
                inputs = channels
        self.layers = nn.Sequential(*layers, ConvNorm(inputs, HEAD, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).mean(dim=(2, 3))

    def fuse(self) -> None:
        """Fuse each convolution with its batch norm, for inference."""
        for module in list(self.modules()):
            if isinstance(module, ConvNorm):
                module.fuse()
