"""Backbones: published sizes, every wiring, and clear refusals."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.config import NETWORKS
from bench.errors import UserError
from bench.spec import DataShape
from variants.networks.backbone import Backbone, Ports, build_backbone, has_batch_norm
from variants.recipe import GanRecipe

MNIST = DataShape(kind="image", shape=(1, 28, 28), classes=10)
STACKED = DataShape(kind="image", shape=(3, 28, 28), classes=1000)
PLANE = DataShape(kind="points", shape=(2,), classes=25)
BACKBONES = [name for name, found in NETWORKS if isinstance(found, Backbone)]


def linear_sizes(module: nn.Module) -> list[tuple[int, int]]:
    return [(part.in_features, part.out_features) for part in module.modules() if isinstance(part, nn.Linear)]


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("condition", [0, 10])
@pytest.mark.parametrize("outputs", [1, 11])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
def test_every_wiring_has_the_right_shapes(name: str, copies: int, condition: int, outputs: int, shape: tuple[int, ...]) -> None:
    data = DataShape(kind="image", shape=shape, classes=10)
    ports = Ports(data=data, latent=13, copies=copies, condition=condition, outputs=outputs)
    generator, discriminator = build_backbone(name, ports, GanRecipe(width=4))
    made = generator(torch.randn(5, 13))
    assert made.shape == (5, *shape)
    assert made.abs().max() <= 1
    beside = torch.randn(5, condition) if condition else None
    assert discriminator(torch.randn(5, *ports.seen), beside).shape == (5, outputs)


@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize("condition", [0, 10])
@pytest.mark.parametrize("outputs", [1, 11])
def test_every_wiring_of_points(copies: int, condition: int, outputs: int) -> None:
    ports = Ports(data=PLANE, latent=3, copies=copies, condition=condition, outputs=outputs)
    generator, discriminator = build_backbone("mlp-2d", ports, GanRecipe(width=4))
    last = next(part for part in reversed(list(generator.modules())) if isinstance(part, nn.Linear))
    nn.init.constant_(last.bias, 7.0)
    made = generator(torch.randn(5, 3))
    assert made.shape == (5, 2)
    assert made.min() > 1  # no tanh: points lie anywhere
    beside = torch.randn(5, condition) if condition else None
    assert discriminator(torch.randn(5, 2 * copies), beside).shape == (5, outputs)


@pytest.mark.parametrize("copies", [1, 3])
def test_mlp_2d_is_as_published(copies: int) -> None:
    networks = build_backbone("mlp-2d", Ports(data=PLANE, latent=2, copies=copies), GanRecipe())
    generator_sizes, discriminator_sizes = map(linear_sizes, networks)
    assert generator_sizes == [(2, 400), (400, 400), (400, 400), (400, 400), (400, 2)]
    assert discriminator_sizes == [(2 * copies, 1000), (200, 1000), (200, 1000), (200, 1)]
    kinds = [[type(part).__name__ for part in network.modules()] for network in networks]
    assert [names.count("BatchNorm1d") for names in kinds] == [4, 0]
    assert (kinds[0].count("ReLU"), kinds[1].count("Maxout")) == (4, 3)
    biases = [part.bias is not None for part in networks[0].modules() if isinstance(part, nn.Linear)]
    assert biases == [False] * 4 + [True]


def test_the_width_of_mlp_2d_scales_both() -> None:
    generator, discriminator = build_backbone("mlp-2d", Ports(data=PLANE, latent=2), GanRecipe(width=8))
    assert linear_sizes(generator)[0] == (2, 16)
    assert linear_sizes(discriminator)[-1] == (8, 1)


def test_dcgan_deep_is_as_published() -> None:
    networks = build_backbone("dcgan-deep", Ports(data=STACKED, latent=100, copies=2), GanRecipe())
    shapes = [[tuple(parameter.shape) for parameter in network.parameters() if parameter.dim() == 4] for network in networks]
    assert shapes[0] == [(100, 512, 2, 2), (512, 256, 5, 5), (256, 128, 5, 5), (128, 64, 5, 5), (64, 3, 5, 5)]
    assert shapes[1] == [(64, 6, 5, 5), (128, 64, 5, 5), (256, 128, 5, 5), (512, 256, 5, 5), (1, 512, 2, 2)]
    assert [sum(isinstance(part, nn.BatchNorm2d) for part in network.modules()) for network in networks] == [4, 3]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 7), (3, 30, 30), (1, 33, 64)])
def test_dcgan_deep_takes_any_size(shape: tuple[int, ...]) -> None:
    data = DataShape(kind="image", shape=shape)
    generator, discriminator = build_backbone("dcgan-deep", Ports(data=data, latent=3), GanRecipe(width=2))
    made = generator(torch.randn(4, 3))
    assert made.shape == (4, *shape)
    assert discriminator(made).shape == (4, 1)


@pytest.mark.parametrize(
    ("name", "generator_sizes", "discriminator_sizes"),
    [
        ("mlp", [(100, 128), (128, 256), (256, 512), (512, 1024), (1024, 784)], [(784, 512), (512, 256), (256, 1)]),
        ("mlp-small", [(100, 128), (128, 256), (256, 512), (512, 784)], [(784, 512), (512, 256), (256, 1)]),
        ("mlp-dropout", [(100, 256), (256, 512), (512, 1024), (1024, 784)], [(784, 1024), (1024, 512), (512, 256), (256, 1)]),
    ],
)
def test_published_widths(name: str, generator_sizes: list[tuple[int, int]], discriminator_sizes: list[tuple[int, int]]) -> None:
    generator, discriminator = build_backbone(name, Ports(data=MNIST, latent=100), GanRecipe())
    assert linear_sizes(generator) == generator_sizes
    assert linear_sizes(discriminator) == discriminator_sizes


def test_published_normalisation_and_dropout() -> None:
    def count(name: str, kind: type[nn.Module], which: int) -> int:
        networks = build_backbone(name, Ports(data=MNIST, latent=100), GanRecipe())
        return sum(isinstance(part, kind) for part in networks[which].modules())

    assert [count(name, nn.BatchNorm1d, 0) for name in ("mlp", "mlp-small", "mlp-dropout")] == [3, 3, 0]
    assert [count(name, nn.Dropout, 1) for name in ("mlp", "mlp-small", "mlp-dropout")] == [0, 2, 3]
    assert [count("dcgan", nn.BatchNorm2d, which) for which in (0, 1)] == [2, 2]


def test_dcgan_is_as_published() -> None:
    generator, discriminator = build_backbone("dcgan", Ports(data=MNIST, latent=100), GanRecipe())
    shapes = [tuple(parameter.shape) for parameter in generator.parameters() if parameter.dim() == 4]
    assert shapes == [(100, 224, 7, 7), (224, 112, 4, 4), (112, 1, 4, 4)]
    shapes = [tuple(parameter.shape) for parameter in discriminator.parameters() if parameter.dim() == 4]
    assert shapes == [(112, 1, 4, 4), (224, 112, 4, 4), (1, 224, 7, 7)]
    assert not any("bias" in name for name, parameter in discriminator.named_parameters() if parameter.dim() == 4)


@pytest.mark.parametrize("name", BACKBONES)
def test_norm_of_the_discriminator_is_a_recipe_field(name: str) -> None:
    ports = Ports(data=MNIST, latent=8)
    assert has_batch_norm(build_backbone(name, ports, GanRecipe(norm_d="batch", width=4))[1])
    assert not has_batch_norm(build_backbone(name, ports, GanRecipe(norm_d="none", width=4))[1])


@pytest.mark.parametrize("shape", [(1, 30, 30), (1, 28, 32), (1, 4, 4)])
def test_dcgan_refuses_sizes_it_cannot_make(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="square images"):
        build_backbone("dcgan", Ports(data=DataShape(kind="image", shape=shape), latent=8), GanRecipe())


def test_points_are_refused_by_networks_for_images() -> None:
    with pytest.raises(UserError) as error:
        build_backbone("mlp", Ports(data=PLANE, latent=8), GanRecipe())
    assert str(error.value) == "the networks 'mlp' make image data, not points; set networks=mlp-2d"
