"""Backbones: published sizes, every configuration of inputs and outputs, and error messages."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.core.config import NETWORKS
from bench.core.errors import UserError
from bench.core.spec import DataShape
from variants.gan import build_gan
from variants.networks.backbone import Backbone, Ports, build_backbone, has_batch_norm
from variants.networks.equalised import EqualConv2d
from variants.networks.r3gan import R3ganBlock
from variants.networks.sizes import channels, doublings
from variants.recipe import GanRecipe

MNIST = DataShape(kind="image", shape=(1, 28, 28), classes=10)
CIFAR = DataShape(kind="image", shape=(3, 32, 32), classes=10)
STACKED = DataShape(kind="image", shape=(3, 28, 28), classes=1000)
LINEAR_AT_THE_END = ("progressive", "r3gan", "style")  # as published, so samples are clipped to [-1, 1]
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
    samples = generator(torch.randn(5, 13))
    assert samples.shape == (5, *shape)
    assert name in LINEAR_AT_THE_END or samples.abs().max() <= 1
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
    samples = generator(torch.randn(5, 3))
    assert samples.shape == (5, 2)
    assert samples.min() > 1  # no tanh, because points are not bounded
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
    samples = generator(torch.randn(4, 3))
    assert samples.shape == (4, *shape)
    assert discriminator(samples).shape == (4, 1)


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


def convolutions(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(part.weight.shape) for part in module.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | EqualConv2d)]


def test_lucic_is_as_published() -> None:
    generator, discriminator = build_backbone("lucic", Ports(data=MNIST, latent=64), GanRecipe())
    assert linear_sizes(generator) == [(64, 1024), (1024, 7 * 7 * 128)]
    assert convolutions(generator) == [(128, 64, 4, 4), (64, 1, 4, 4)]
    assert convolutions(discriminator) == [(64, 1, 4, 4), (128, 64, 4, 4)]
    assert linear_sizes(discriminator) == [(7 * 7 * 128, 1024), (1024, 1)]
    norms = [sum(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()) for network in (generator, discriminator)]
    assert norms == [3, 2]


def test_resnet_is_as_published() -> None:
    generator, discriminator = build_backbone("resnet", Ports(data=CIFAR, latent=128), GanRecipe())
    assert linear_sizes(generator) == [(128, 4 * 4 * 256)]
    assert convolutions(generator) == [(256, 256, 3, 3), (256, 256, 3, 3), (256, 256, 1, 1)] * 3 + [(3, 256, 3, 3)]
    square, point = (128, 128, 3, 3), (128, 128, 1, 1)
    assert convolutions(discriminator) == [(128, 3, 3, 3), square, (128, 3, 1, 1), square, square, point, square, square, square, square]
    assert linear_sizes(discriminator) == [(128, 1)]
    sizes: list[int] = []
    for block in [*discriminator.get_submodule("features").children(), discriminator.get_submodule("head.0")]:
        block.register_forward_hook(lambda _module, _inputs, samples: sizes.append(samples.shape[-1]))
    discriminator(torch.randn(2, 3, 32, 32))
    assert sizes == [16, 8, 8, 8]


@pytest.mark.parametrize(("name", "least"), [("lucic", 8), ("resnet", 8), ("r3gan", 8), ("progressive", 8), ("style", 8)])
def test_width_is_the_narrowest_of_the_hidden_layers(name: str, least: int) -> None:
    networks = build_backbone(name, Ports(data=MNIST, latent=64), GanRecipe(width=least))
    hidden = [size for network in networks for shape in convolutions(network) for size in shape[:2] if size > 1]
    assert min(hidden) == least


def test_resnets_order_of_a_linear_map_and_a_change_of_size_makes_no_difference() -> None:
    data, point = torch.randn(2, 5, 6, 6), nn.Conv2d(5, 3, 1)
    for change in (nn.AvgPool2d(2), nn.Upsample(scale_factor=2)):
        torch.testing.assert_close(point(change(data)), change(point(data)))


def test_blocks_of_r3gan_begin_as_nothing_and_at_the_fixed_up_scale() -> None:
    generator, _ = build_backbone("r3gan", Ports(data=CIFAR, latent=64), GanRecipe(width=64))
    blocks = [part for part in generator.modules() if isinstance(part, R3ganBlock)]
    data = torch.randn(2, 64, 4, 4)
    assert all(torch.equal(block(data), data) for block in blocks)
    wanted = (2 / 1.04) ** 0.5 * len(blocks) ** -0.25  # He's gain for a slope of 0.2, times L ** (-1 / (2 * 3 - 2))
    for index, inputs in ((0, 64), (2, 9 * 16)):  # groups of 16 channels
        weight = torch.cat([block.get_submodule(f"branch.{index}").get_parameter("weight").flatten() for block in blocks])
        assert weight.std().item() == pytest.approx(wanted / inputs**0.5, rel=0.05)


def test_blocks_that_begin_as_nothing_begin_otherwise_under_spectral_norm() -> None:
    _, discriminator = build_backbone("r3gan", Ports(data=MNIST, latent=6), GanRecipe(width=8, norm_d="spectral"))
    last = [part.get_submodule("branch.4") for part in discriminator.modules() if isinstance(part, R3ganBlock)]
    for convolution in last:
        assert isinstance(convolution.weight, torch.Tensor)
        assert torch.linalg.matrix_norm(convolution.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=1e-3)
    assert discriminator(torch.randn(2, 1, 28, 28)).isfinite().all()


def test_r3gan_has_the_same_blocks_in_both() -> None:
    networks = build_backbone("r3gan", Ports(data=MNIST, latent=64), GanRecipe(width=8))
    blocks = [[tuple(p.shape) for part in net.modules() if isinstance(part, R3ganBlock) for p in part.parameters()] for net in networks]
    assert blocks[0] == blocks[1]
    assert not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for net in networks for part in net.modules())


def test_progressive_has_the_published_channels() -> None:
    for side, wanted in ((32, [512] * 4), (64, [512, 512, 512, 512, 256]), (1024, [512] * 4 + [256, 128, 64, 32, 16])):
        sides = doublings("progressive", (3, side, side))
        assert channels(sides, max(1, min(512, 16_384 // side)), 512) == wanted
    assert channels([7, 14, 28], 16, 512) == [64, 32, 16]


@pytest.mark.parametrize("name", ["resnet", "r3gan", "progressive", "style"])
@pytest.mark.parametrize("shape", [(1, 30, 30), (1, 28, 32), (1, 3, 3), (3, 9, 9)])
def test_sizes_that_no_doubling_gives_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError) as error:
        build_backbone(name, Ports(data=DataShape(kind="image", shape=shape), latent=8), GanRecipe(width=4))
    assert str(error.value) == (
        f"the networks '{name}' take square images of 4 to 7 pixels, or those doubled any number of times (8, 28, 32, 64, ...), "
        f"not {shape[1]}x{shape[2]}; set other networks or another size"
    )


@pytest.mark.parametrize("name", ["resnet", "r3gan", "progressive", "style"])
@pytest.mark.parametrize("side", [4, 6, 10, 24])
def test_sizes_that_doublings_give_are_made(name: str, side: int) -> None:
    data = DataShape(kind="image", shape=(1, side, side))
    generator, discriminator = build_backbone(name, Ports(data=data, latent=3), GanRecipe(width=4))
    samples = generator(torch.randn(4, 3))
    assert samples.shape == (4, 1, side, side)
    assert discriminator(samples).shape == (4, 1)


@pytest.mark.parametrize("shape", [(1, 30, 30), (1, 28, 32), (1, 2, 2)])
def test_lucic_refuses_sizes_it_cannot_make(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="take square images of 4, 8, 12"):
        build_backbone("lucic", Ports(data=DataShape(kind="image", shape=shape), latent=8), GanRecipe())


@pytest.mark.parametrize("name", BACKBONES)
def test_a_condition_changes_more_than_a_constant(name: str) -> None:
    """The difference of two images' logits depends on the condition. Otherwise labels would have no effect."""
    torch.manual_seed(0)
    _, discriminator = build_backbone(name, Ports(data=MNIST, latent=8, condition=3), GanRecipe(width=8, norm_d="none"))
    for block in (part for part in discriminator.modules() if isinstance(part, R3ganBlock)):
        nn.init.normal_(block.get_submodule("branch.4").get_parameter("weight"), 0.0, 0.3)  # initialised with zeros
    images, conditions = torch.randn(2, 1, 28, 28), torch.eye(3)[:2]
    one, other = (discriminator(images, condition.expand(2, -1)).flatten() for condition in conditions)
    assert ((one[0] - one[1]) - (other[0] - other[1])).abs() > 1e-5


@pytest.mark.parametrize("name", ["progressive", "style", "r3gan"])
def test_what_is_sampled_is_in_the_range_of_images(name: str) -> None:
    networks = build_gan(name, GanRecipe(width=4, z_dim=6), DataShape(kind="image", shape=(1, 8, 8)))
    for parameter in networks.generator.parameters():
        parameter.data.mul_(3.0)
    latent = networks.draw(64, torch.Generator().manual_seed(0))
    assert networks.generate(latent).abs().max() > 1
    assert networks.sample(latent).abs().max() == 1


@pytest.mark.parametrize("shape", [(1, 30, 30), (1, 28, 32), (1, 4, 4)])
def test_dcgan_refuses_sizes_it_cannot_make(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="square images"):
        build_backbone("dcgan", Ports(data=DataShape(kind="image", shape=shape), latent=8), GanRecipe())


def test_points_are_refused_by_networks_for_images() -> None:
    with pytest.raises(UserError) as error:
        build_backbone("mlp", Ports(data=PLANE, latent=8), GanRecipe())
    assert str(error.value) == "the networks 'mlp' generate image data, not points; set networks=mlp-2d"
