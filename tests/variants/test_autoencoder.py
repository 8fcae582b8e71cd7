"""GANs with an autoencoder as discriminator, on every backbone. Energies, losses and the balance equal values computed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.core.config import DATASETS, NETWORKS, VARIANTS, config_for
from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Examples, Objective, Recipe, Step, Terms
from bench.training.build import assemble
from bench.training.loop import Trainer, train
from variants.autoencoder import (
    AutoencoderGanNetworks,
    BeganObjective,
    BeganRecipe,
    EbganObjective,
    EbganRecipe,
    absolute_error,
    build_autoencoder_gan,
    energy,
    pulling_away,
)
from variants.networks.autoencoder import Autoencoder
from variants.networks.backbone import Backbone, Ports, build_backbone
from variants.networks.began import Cut, halvings
from variants.recipe import GanRecipe

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)
PLANE = DataShape(kind="points", shape=(2,), classes=8)
BACKBONES = [name for name, found in NETWORKS if isinstance(found, Backbone) and found.decodes]
REAL = torch.tensor([[3.0, 4.0], [0.0, 2.0]])


class Scale(nn.Module):
    """Module with the output a x."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x


def step(seed: int = 0) -> Step:
    return Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(seed))


def linear(recipe: EbganRecipe | BeganRecipe) -> AutoencoderGanNetworks:
    """Return networks with G(z) = 3 z, Enc(x) = x / 2 and Dec(c) = c. Every reconstruction is half of the data."""
    return AutoencoderGanNetworks(Scale(3.0), Autoencoder(Scale(0.5), Scale(1.0)), recipe, "points")


def fakes(seed: int = 0) -> Tensor:
    return 3.0 * torch.randn((2, 2), generator=torch.Generator().manual_seed(seed))


def test_energies_by_hand() -> None:
    torch.testing.assert_close(energy(REAL, 0.5 * REAL), torch.tensor([2.5, 1.0]))
    torch.testing.assert_close(absolute_error(REAL, 0.5 * REAL), torch.tensor([1.75, 0.5]))
    image = torch.full((1, 1, 2, 2), 0.5)
    torch.testing.assert_close(energy(image, -image), torch.tensor([2.0]))
    torch.testing.assert_close(absolute_error(image, -image), torch.tensor([1.0]))


def test_the_gradient_of_an_energy_of_zero_is_finite() -> None:
    data = REAL.clone().requires_grad_()
    energy(REAL, data).sum().backward()
    assert data.grad is not None
    assert data.grad.isfinite().all()


@pytest.mark.parametrize("margin", [0.5, 2.0, 10.0])
def test_ebgan_by_hand(margin: float) -> None:
    recipe = EbganRecipe(z_dim=2, margin=margin, pulling_away=0.25)
    objective, nets = EbganObjective(recipe), linear(recipe)
    generated = fakes()
    fake_energy = 0.5 * generated.norm(dim=1)
    terms = objective.discriminator_loss(nets, Batch(data=REAL), step())
    torch.testing.assert_close(terms.loss, torch.tensor([2.5, 1.0]) + (margin - fake_energy).clamp(min=0))
    torch.testing.assert_close(terms.log["real_error"], torch.tensor([2.5, 1.0]))
    torch.testing.assert_close(terms.log["fake_error"], fake_energy)
    apart = torch.nn.functional.cosine_similarity(generated[0], generated[1], dim=0) ** 2
    terms = objective.generator_loss(nets, Batch(data=REAL), step())
    torch.testing.assert_close(terms.loss, fake_energy + 0.25 * apart)
    torch.testing.assert_close(terms.log["pulling_away"], apart)


def test_only_what_is_below_the_margin_moves_the_discriminator() -> None:
    recipe = EbganRecipe(z_dim=2, margin=1e-3)
    nets = linear(recipe)
    still = Batch(data=torch.zeros(2, 2))
    EbganObjective(recipe).discriminator_loss(nets, still, step()).loss.sum().backward()
    assert nets.discriminator.encoder.a.grad == 0
    assert nets.generator.a.grad is None


def pairs(codes: Tensor) -> float:
    """Return the term of Zhao et al. 2017, eq. 4."""
    n = len(codes)
    cosines = [
        (float(codes[i] @ codes[j]) / (float(codes[i].norm()) * float(codes[j].norm()))) ** 2 for i in range(n) for j in range(n) if i != j
    ]
    return sum(cosines) / (n * (n - 1))


@pytest.mark.parametrize("shape", [(2, 3), (7, 4), (16, 64)])
def test_pulling_away_is_the_mean_over_all_pairs(shape: tuple[int, int]) -> None:
    codes = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert float(pulling_away(codes)) == pytest.approx(pairs(codes), abs=1e-6)


def test_pulling_away_of_known_codes() -> None:
    assert float(pulling_away(torch.eye(5) * 3.0)) == pytest.approx(0.0, abs=1e-6)
    assert float(pulling_away(torch.randn(1, 4).expand(6, 4))) == pytest.approx(1.0, abs=1e-6)
    assert float(pulling_away(torch.tensor([[1.0, 0.0], [-2.0, 0.0]]))) == pytest.approx(1.0, abs=1e-6)
    assert float(pulling_away(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))) == pytest.approx(0.5, abs=1e-6)


def test_began_by_hand() -> None:
    recipe = BeganRecipe(z_dim=2, gamma=0.5)
    objective, nets = BeganObjective(recipe), linear(recipe)
    objective.k_t.fill_(0.3)
    real_error, fake_error = torch.tensor([1.75, 0.5]), 0.5 * fakes().abs().mean(dim=1)
    terms = objective.discriminator_loss(nets, Batch(data=REAL), step())
    torch.testing.assert_close(terms.loss, real_error - 0.3 * fake_error)
    logged = {name: float(value) for name, value in terms.log.items()}
    real, fake = float(real_error.mean()), float(fake_error.mean())
    assert logged == pytest.approx({"real_error": real, "fake_error": fake, "k_t": 0.3, "convergence": real + abs(0.5 * real - fake)})
    torch.testing.assert_close(objective.generator_loss(nets, Batch(data=REAL), step()).loss, fake_error)


@pytest.mark.parametrize(
    ("before", "real", "fake", "after"),
    [
        (0.0, 1.0, 0.2, 0.03),  # 0 + 0.1 (0.5 - 0.2)
        (0.5, 1.0, 0.7, 0.48),  # 0.5 + 0.1 (0.5 - 0.7)
        (0.0, 0.2, 0.9, 0.0),  # clipped from -0.08
        (0.99, 2.0, 0.1, 1.0),  # clipped from 1.08
    ],
)
def test_the_balance_by_hand(before: float, real: float, fake: float, after: float) -> None:
    recipe = BeganRecipe(z_dim=2, gamma=0.5, lambda_k=0.1)
    objective = BeganObjective(recipe)
    objective.k_t.fill_(before)
    terms = Terms(loss=torch.zeros(()), log={"real_error": torch.tensor(real), "fake_error": torch.tensor(fake)})
    objective.balance(linear(recipe), terms, step())
    assert float(objective.k_t) == pytest.approx(after)


def test_the_convergence_measure_by_hand() -> None:
    """With γ = 1 and generated data as real data, both errors are equal, and M is the error of real data."""
    recipe = BeganRecipe(z_dim=2, gamma=1.0)
    terms = BeganObjective(recipe).discriminator_loss(linear(recipe), Batch(data=fakes()), step())
    torch.testing.assert_close(terms.log["convergence"], terms.log["real_error"])


def began_trainer() -> Trainer:
    config = config_for("began", {"recipe.width": 4, "recipe.lambda_k": 0.05})
    networks, objective = assemble(config, DIGITS)
    images = Examples(data=torch.randint(0, 256, (128, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)))
    return Trainer(
        networks=networks, objective=objective, recipe=config.recipe, data=images, seed=0, budget_images=160,
        device=torch.device("cpu"), precision="fp32",
    )  # fmt: skip


def test_the_balance_survives_a_checkpoint_bit_for_bit() -> None:
    whole = began_trainer()
    list(train(whole, []))
    first = began_trainer()
    next(train(first, [80]))
    state = first.state_dict()
    assert 0.0 < float(state["objective"]["k_t"]) < 1.0
    second = began_trainer()
    second.load_state_dict(state)
    last = list(train(second, []))[-1]
    assert torch.equal(second.objective.state_dict()["k_t"], whole.objective.state_dict()["k_t"])
    assert float(second.objective.state_dict()["k_t"]) != float(state["objective"]["k_t"])
    assert {"convergence", "k_t", "real_error", "fake_error"} <= set(last.scalars)
    for one, other in zip(second.networks.parameters(), whole.networks.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("networks", BACKBONES)
@pytest.mark.parametrize("recipe", [EbganRecipe(width=4, code_dim=5, z_dim=3), BeganRecipe(width=4, code_dim=5, z_dim=3)])
def test_any_backbone(networks: str, recipe: EbganRecipe | BeganRecipe) -> None:
    nets = build_autoencoder_gan(networks, recipe, DIGITS)
    data = nets.sample(nets.draw(4, torch.Generator().manual_seed(0)))
    assert data.shape == (4, 1, 8, 8)
    assert nets.discriminator.encoder(data).shape == (4, 5)
    assert nets.discriminator(data).shape == data.shape
    generator, decoder = ([weight.shape for weight in part.parameters()] for part in (nets.generator, nets.discriminator.decoder))
    assert len(generator) == len(decoder)  # the same architecture
    shared = {id(weight) for weight in nets.generator.parameters()} & {id(weight) for weight in nets.discriminator.parameters()}
    assert not shared  # without shared weights


@pytest.mark.parametrize("name", ["ebgan", "began"])
def test_points(name: str) -> None:
    nets, _ = assemble(config_for(name, {"networks": "mlp-2d", "recipe.width": 4}), PLANE)
    assert nets.sample(nets.draw(4, torch.Generator().manual_seed(0))).shape == (4, 2)


@pytest.mark.parametrize("field", ["loss", "gp", "real_label", "pack", "minibatch_std", "augment"])
@pytest.mark.parametrize("name", ["ebgan", "began"])
def test_a_number_without_meaning_is_an_unknown_path(name: str, field: str) -> None:
    with pytest.raises(UserError, match=rf"unknown path 'recipe\.{field}' for {name}"):
        config_for(name, {f"recipe.{field}": getattr(GanRecipe(), field)})


@pytest.mark.parametrize("norm", ["none", "spectral", "batch"])
def test_norm_d_is_of_the_encoder(norm: str) -> None:
    nets, _ = assemble(config_for("ebgan", {"networks": "dcgan", "recipe.norm_d": norm, "recipe.width": 4}), DIGITS)
    assert isinstance(nets, AutoencoderGanNetworks)
    names = [name for name, _ in nets.discriminator.encoder.named_parameters()]
    assert any("parametrizations" in name for name in names) == (norm == "spectral")
    norms = sum(isinstance(part, nn.BatchNorm2d) for part in nets.discriminator.encoder.modules())
    assert norms == (2 if norm == "batch" else 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EbganObjective(BeganRecipe()), "EBGAN needs an EbganRecipe, not a BeganRecipe"),
        (lambda: BeganObjective(GanRecipe()), "BEGAN needs a BeganRecipe, not a GanRecipe"),
        (lambda: build_autoencoder_gan("mlp", GanRecipe(), DIGITS), "needs an AutoencoderGanRecipe, not a GanRecipe"),
        (lambda: build_autoencoder_gan("unet", EbganRecipe(), DIGITS), "the networks 'unet' are not a generator and a discriminator"),
    ],
)
def test_wrong_parts_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize(("objective", "recipe"), [(EbganObjective, EbganRecipe()), (BeganObjective, BeganRecipe())])
def test_other_networks_are_refused(objective: Callable[[Recipe], Objective], recipe: Recipe) -> None:
    with pytest.raises(UserError, match="needs AutoencoderGanNetworks, not GanNetworks"):
        objective(recipe).check(VARIANTS.get("dcgan").build("dcgan", GanRecipe(width=4), DIGITS))


def test_recipes_are_as_published() -> None:
    ebgan, began = VARIANTS.get("ebgan").recipe, VARIANTS.get("began").recipe
    assert isinstance(ebgan, EbganRecipe)
    assert isinstance(began, BeganRecipe)
    assert (ebgan.margin, ebgan.pulling_away, ebgan.lr_g, ebgan.lr_d) == (10.0, 0.1, 1e-3, 1e-3)
    assert (began.lambda_k, began.batch_size, began.z_dim, began.code_dim, began.z_distribution) == (1e-3, 16, 64, 64, "uniform")
    assert (began.lr_g, began.lr_d, began.gamma) == (1e-4, 1e-4, 0.5)


def test_began_networks_are_as_published() -> None:
    """The generator has 64 filters. The encoder has 64 more after each halving. There are no normalisation layers."""
    data = DataShape(kind="image", shape=(3, 32, 32))
    generator, encoder = build_backbone("began", Ports(data=data, latent=64, outputs=64), GanRecipe())
    widths = [[part.out_channels for part in network.modules() if isinstance(part, nn.Conv2d)] for network in (generator, encoder)]
    assert widths == [[64] * 6 + [3], [64, 64, 128, 128, 192, 192, 192]]
    assert [part.in_features for part in encoder.modules() if isinstance(part, nn.Linear)] == [192 * 8 * 8]
    kinds = {type(part) for network in (generator, encoder) for part in network.modules()}
    assert nn.ELU in kinds
    assert not kinds & {nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU}
    assert math.prod(next(part.shape[1:] for part in encoder.parameters())) == 27


@pytest.mark.parametrize(("side", "sizes"), [(8, [8]), (28, [28, 14, 7]), (32, [32, 16, 8]), (64, [64, 32, 16, 8]), (30, [30, 15])])
def test_began_halves_down_to_eight(side: int, sizes: list[int]) -> None:
    assert halvings((side, side)) == [(size, size) for size in sizes]


@pytest.mark.parametrize("dataset", ["ring8", "grid25"])
def test_networks_for_images_refuse_points(dataset: str) -> None:
    with pytest.raises(UserError, match="generate image data, not points"):
        assemble(config_for("began", {"recipe.width": 4}), DATASETS.get(dataset).spec)


def test_cutting_images_keeps_the_gradient() -> None:
    generated = torch.tensor([-3.0, 0.25, 1.7], requires_grad=True)
    cut = Cut()(generated)
    assert cut.tolist() == [-1.0, 0.25, 1.0]
    cut.sum().backward()
    assert generated.grad is not None
    assert generated.grad.tolist() == [1.0, 1.0, 1.0]
