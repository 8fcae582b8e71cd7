"""Translators: every size and setting, rows that do not depend on their batch, masks of dropout, and error messages."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench.core.config import NETWORKS
from bench.core.errors import UserError
from bench.core.spec import DataShape
from variants.networks.backbone import TakesMore
from variants.networks.translator import (
    TranslationDiscriminator,
    TranslationGenerator,
    TranslationPorts,
    Translator,
    build_discriminator,
    build_translator,
)
from variants.translation_recipe import TranslationRecipe

TRANSLATORS = [name for name, found in NETWORKS if isinstance(found, Translator)]
SIZES = [(8, 8), (28, 28), (32, 32), (64, 64), (28, 40), (9, 31), (3, 5), (2, 2)]
EVERY_TRANSLATOR = pytest.mark.parametrize("name", TRANSLATORS)
NARROW = TranslationRecipe(width=4)


def ports_for(name: str, size: tuple[int, int], given: int = 1, generated: int = 3) -> TranslationPorts:
    """Return ports for given images of this size. SRResNet makes them four times as large, and StarGAN has three domains."""
    factor = 4 if name == "srresnet" else 1
    shape = (generated, factor * size[0], factor * size[1])
    return TranslationPorts(given=(given, *size), shape=shape, domains=3 if name == "star" else 0)


def both(name: str, ports: TranslationPorts, recipe: TranslationRecipe) -> tuple[TranslationGenerator, TranslationDiscriminator]:
    torch.manual_seed(0)
    return build_translator(name, ports, recipe), build_discriminator(name, ports, recipe)


def images(n: int, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.rand((n, *shape), generator=torch.Generator().manual_seed(seed)) * 2 - 1


def domains_of(ports: TranslationPorts, n: int) -> Tensor | None:
    return torch.arange(n) % ports.domains if ports.domains else None


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_these_translators_are_registered() -> None:
    assert set(TRANSLATORS) >= {"pix2pix-unet", "resnet-translator", "disco-conv", "star", "srresnet"}


@EVERY_TRANSLATOR
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [(1, 3), (3, 1)])
@pytest.mark.parametrize("conditional", [False, True])
def test_every_size_has_the_right_shapes(name: str, size: tuple[int, int], channels: tuple[int, int], conditional: bool) -> None:
    ports = ports_for(name, size, *channels)
    generator, discriminator = both(name, ports, NARROW.model_copy(update={"conditional_d": conditional, "dropout": 0.5}))
    given = images(2, ports.given)
    output = generator(given, domains_of(ports, 2), generator.draw_extra(2, noise()))
    assert output.shape == (2, *ports.shape)
    assert output.abs().max() <= 1
    judgement = discriminator(output, given if conditional else None)
    assert judgement.logits.shape[:2] == (2, 1)
    assert judgement.logits.dim() == 4
    assert all(maps.dim() == 4 and len(maps) == 2 for maps in judgement.features)
    assert judgement.features
    assert (judgement.classes is None) == (ports.domains == 0)
    (output.sum() + judgement.logits.sum()).backward()


@EVERY_TRANSLATOR
@pytest.mark.parametrize("upsample", ["transposed", "resize", "shuffle"])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_every_normalisation_and_way_of_doubling(name: str, norm: str, upsample: str) -> None:
    recipe = TranslationRecipe.model_validate({"width": 4, "norm_g": norm, "norm_d": norm, "upsample": upsample})
    ports = ports_for(name, (12, 20))
    generator, discriminator = both(name, ports, recipe)
    output = generator(images(2, ports.given), domains_of(ports, 2))
    assert output.shape == (2, *ports.shape)
    assert torch.isfinite(discriminator(output).logits).all()
    kinds = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}
    for network in (generator, discriminator):
        present = {kind for kind, layer in kinds.items() if any(isinstance(part, layer) for part in network.modules())}
        assert present == {norm} - {"none"}
    transposed = any(isinstance(part, nn.ConvTranspose2d) for part in generator.modules())
    assert transposed == (upsample == "transposed")
    assert any(isinstance(part, nn.PixelShuffle) for part in generator.modules()) == (upsample == "shuffle")


@EVERY_TRANSLATOR
@pytest.mark.parametrize("norm", ["published", "instance", "batch", "none"])
def test_a_row_does_not_depend_on_the_other_rows_in_evaluation(name: str, norm: str) -> None:
    ports = ports_for(name, (14, 18))
    recipe = TranslationRecipe.model_validate({"width": 4, "norm_g": norm, "dropout": 0.5})
    generator, _ = both(name, ports, recipe)
    given, labels, extra = images(6, ports.given).double(), domains_of(ports, 6), generator.draw_extra(6, noise())
    generator.double()
    generator(given, labels, extra)  # running statistics of batch norm
    generator.eval()
    whole = generator(given, labels, extra)
    for row in (0, 4):
        part = slice(row, row + 1)
        alone = generator(given[part], None if labels is None else labels[part], {key: mask[part] for key, mask in extra.items()})
        torch.testing.assert_close(alone, whole[part], rtol=1e-9, atol=1e-12)
    mixed = torch.cat([given[:3], given[3:] * -0.5])
    torch.testing.assert_close(generator(mixed, labels, extra)[:3], whole[:3], rtol=1e-9, atol=1e-12)


@EVERY_TRANSLATOR
def test_outputs_repeat_and_take_no_noise_of_torch(name: str) -> None:
    ports = ports_for(name, (8, 12))
    generator, _ = both(name, ports, NARROW.model_copy(update={"dropout": 0.3}))
    given, labels = images(2, ports.given), domains_of(ports, 2)
    before = torch.get_rng_state()
    extra = generator.draw_extra(2, noise())
    assert torch.equal(generator(given, labels, extra), generator(given, labels, extra))  # in training mode, too
    assert torch.equal(torch.get_rng_state(), before)


@EVERY_TRANSLATOR
def test_masks_of_dropout_come_from_the_generator_of_noise(name: str) -> None:
    ports = ports_for(name, (32, 32))
    generator, _ = both(name, ports, NARROW.model_copy(update={"dropout": 0.25}))
    assert isinstance(generator, TakesMore)
    first, again, other = (generator.draw_extra(100, noise(seed)) for seed in (1, 1, 2))
    assert first
    assert all(mask.dtype == torch.bool and len(mask) == 100 for mask in first.values())
    assert all(torch.equal(mask, again[key]) for key, mask in first.items())
    assert not any(torch.equal(mask, other[key]) for key, mask in first.items())
    assert all(mask.float().mean().item() == pytest.approx(0.75, abs=0.03) for mask in first.values())
    labels = torch.zeros(2, dtype=torch.int64) if ports.domains else None
    output = generator(images(1, ports.given).expand(2, -1, -1, -1), labels, {key: mask[:2] for key, mask in first.items()})
    assert not torch.equal(output[0], output[1])
    plain, _ = both(name, ports, NARROW)
    assert plain.draw_extra(5, noise()) == {}


@EVERY_TRANSLATOR
def test_every_mask_has_an_effect(name: str) -> None:
    ports = ports_for(name, (16, 16))
    generator, _ = both(name, ports, NARROW.model_copy(update={"dropout": 0.5}))
    given, labels = images(1, ports.given), domains_of(ports, 1)
    extra = generator.draw_extra(1, noise())
    for key in extra:
        changed = generator(given, labels, {key: torch.zeros_like(extra[key])})
        assert not torch.equal(changed, generator(given, labels))


def test_discriminators_see_given_images_of_another_size() -> None:
    ports = ports_for("srresnet", (7, 7), 1, 1)
    _, discriminator = both("srresnet", ports, NARROW.model_copy(update={"conditional_d": True}))
    data = images(2, ports.shape)
    one, other = (discriminator(data, images(2, ports.given, seed)).logits for seed in (0, 1))
    assert one.shape == (2, 1, 1, 1)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DataShape(kind="image", shape=(1, 28, 28), classes=10, task="paired", given=(1, 7, 7)), ((1, 7, 7), (1, 28, 28), 0)),
        (DataShape(kind="image", shape=(3, 8, 8), classes=4, task="domains", given=(3, 8, 8)), ((3, 8, 8), (3, 8, 8), 4)),
    ],
)
def test_ports_of_a_task(data: DataShape, expected: tuple[tuple[int, ...], tuple[int, ...], int]) -> None:
    ports = TranslationPorts.of(data)
    assert (ports.given, ports.shape, ports.domains) == expected
    back = ports.reverse()
    assert (back.given, back.shape, back.domains) == (expected[1], expected[0], expected[2])


@pytest.mark.parametrize(
    ("name", "ports", "message"),
    [
        ("pix2pix-unit", TranslationPorts(given=(1, 8, 8), shape=(1, 8, 8)), r"unknown networks 'pix2pix-unit'; did you mean 'pix2pix-unet'\?"),
        (
            "dcgan", TranslationPorts(given=(1, 8, 8), shape=(1, 8, 8)),
            "'dcgan' make no images from given images; set networks=disco-conv or pix2pix-unet or resnet-translator or star$",
        ),
        (
            "pix2pix-unet", TranslationPorts(given=(1, 7, 7), shape=(1, 28, 28)),
            "keep the size of images, and cannot make 28x28 pixels from 7x7; set networks=srresnet$",
        ),
        (
            "srresnet", TranslationPorts(given=(1, 8, 8), shape=(1, 24, 24)),
            "2 or 4 times as long, and cannot make 24x24 pixels from 8x8$",
        ),
        ("srresnet", TranslationPorts(given=(1, 8, 4), shape=(1, 16, 16)), "cannot make 16x16 pixels from 8x4$"),
        (
            "resnet-translator", TranslationPorts(given=(1, 8, 8), shape=(1, 8, 8), domains=5),
            "have one target, and cannot translate to any of 5 domains; set networks=star$",
        ),
        ("star", TranslationPorts(given=(2,), shape=(2,)), "translate image data, not points$"),
    ],
)  # fmt: skip
def test_refused_ports(name: str, ports: TranslationPorts, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_translator(name, ports, NARROW)
    with pytest.raises(UserError, match=message):
        build_discriminator(name, ports, NARROW)


def test_blocks_need_residual_blocks() -> None:
    ports = TranslationPorts(given=(1, 8, 8), shape=(1, 8, 8))
    with pytest.raises(
        UserError, match=r"recipe.blocks=3.*'pix2pix-unet' have no residual blocks; set recipe.blocks=0, or networks=resnet"
    ):
        build_translator("pix2pix-unet", ports, NARROW.model_copy(update={"blocks": 3}))
    for name in ("resnet-translator", "star"):
        built = build_translator(name, ports, NARROW.model_copy(update={"blocks": 3}))
        assert len(built.get_submodule("blocks")._modules) == 3


@EVERY_TRANSLATOR
def test_too_many_layers_of_d(name: str) -> None:
    ports = ports_for(name, (8, 8)) if name != "srresnet" else TranslationPorts(given=(1, 4, 4), shape=(3, 8, 8))
    most = {"pix2pix-unet": 1, "resnet-translator": 1, "disco-conv": 2, "star": 2, "srresnet": 2}[name]
    build_discriminator(name, ports, NARROW.model_copy(update={"patch_layers": most}))
    with pytest.raises(UserError, match=rf"recipe.patch_layers={most + 1} is too much for images of 8x8 pixels; set at most {most}, or 0"):
        build_discriminator(name, ports, NARROW.model_copy(update={"patch_layers": most + 1}))


@EVERY_TRANSLATOR
@pytest.mark.parametrize("size", [(8, 8), (28, 28)])
def test_every_weight_gets_a_gradient(name: str, size: tuple[int, int]) -> None:
    """A bias before a normalisation has none, so biases do not count."""
    ports = ports_for(name, size)
    generator, discriminator = both(name, ports, NARROW)
    judgement = discriminator(generator(images(4, ports.given), domains_of(ports, 4)))
    loss = judgement.logits.square().sum() + (0.0 if judgement.classes is None else judgement.classes.square().sum())
    loss.backward()
    for network in (generator, discriminator):
        weights = {key: weight for key, weight in network.named_parameters() if weight.dim() > 1}
        assert [key for key, weight in weights.items() if weight.grad is None or not weight.grad.any()] == []
