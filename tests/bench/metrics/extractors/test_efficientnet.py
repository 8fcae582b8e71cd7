"""The network of the extractor `photo`. It has the published size and TensorFlow's padding, and fusion keeps its outputs."""

from __future__ import annotations

import torch
from torch import nn

from bench.metrics.extractors.efficientnet import ConvNorm, EfficientNetLite0

PUBLISHED_PARAMETERS = 4_652_008  # with the classifier of 1,000 classes, which this project omits


def test_the_size_is_the_published_one() -> None:
    network = EfficientNetLite0()
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED_PARAMETERS - 1_280 * 1_000 - 1_000
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 1 + 2 + 15 * 3 + 1
    with torch.no_grad():
        assert network.eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 1280)


def test_strided_convolutions_are_padded_like_those_of_tensorflow() -> None:
    """As in TensorFlow's `same`, a side of 8 becomes 4, and the extra pixel of padding is on the right and below."""
    image = torch.arange(64.0).view(1, 1, 8, 8)
    for kernel, first in ((3, 0), (5, 1)):
        layer = ConvNorm(1, 1, kernel, stride=2, bounded=False).eval()
        with torch.no_grad():
            layer.norm = nn.Identity()
            layer.conv.weight.zero_()[0, 0, first, first] = 1.0  # selects the window's first pixel inside the image
            assert torch.equal(layer(image), image[..., ::2, ::2])


def test_a_fused_network_is_the_same_function() -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0().double().eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.01, 0.1)
            nn.init.uniform_(module.bias, -0.5, 1.0)
    x = torch.rand(3, 3, 64, 64, dtype=torch.float64)
    before = network(x)
    assert before.std(dim=0).mean() > 1e-3  # constant outputs would test nothing
    network.fuse()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(network(x), before, rtol=1e-6, atol=1e-6)
