"""Objectives of translation, compared with closed forms on linear players."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from bench.core.config import DATASETS, config_for
from bench.core.errors import UserError
from bench.core.spec import Batch, Step, Terms
from bench.training.build import assemble
from variants.networks.translator import Judgement, TranslationPorts
from variants.translation import CycleObjective, DomainObjective, PairedObjective, TranslationNetworks, TwoWayNetworks
from variants.translation_recipe import TranslationRecipe

SHAPE = (1, 2, 2)
PORTS = TranslationPorts(given=SHAPE, shape=SHAPE)


class Scale(nn.Module):
    """Generator that multiplies its input by a number, or by one number for each domain."""

    def __init__(self, *factors: float) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.tensor(factors))

    def draw_extra(self, n: int, noise: torch.Generator) -> dict[str, Tensor]:
        return {}

    def forward(self, given: Tensor, labels: Tensor | None, extra: object) -> Tensor:
        factor = self.factors[0] if labels is None else self.factors[labels].view(-1, 1, 1, 1)
        return given * factor


class Mean(nn.Module):
    """Discriminator whose logit is a weight times the mean of the image, and of the image beside it."""

    def __init__(self, weight: float, domains: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.domains = domains

    def forward(self, images: Tensor, given: Tensor | None = None) -> Judgement:
        mean = images.flatten(1).mean(dim=1)
        logits = self.weight * (mean if given is None else mean + 10 * given.flatten(1).mean(dim=1))
        classes = mean[:, None] * torch.arange(1, self.domains + 1) if self.domains else None
        return Judgement(logits.view(-1, 1, 1, 1), (images,), classes)


def step(images: int = 0, budget: int = 100) -> Step:
    return Step(images=images, budget_images=budget, index=0, noise=torch.Generator().manual_seed(0))


def images(seed: int, n: int = 6) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def value(terms: Terms | None) -> float:
    assert terms is not None
    return float(terms.loss.detach().mean())


BATCH = Batch(data=images(0), given=images(1))


def one_way(factor: float = 0.5, weight: float = 3.0) -> TranslationNetworks:
    return TranslationNetworks(Scale(factor), Mean(weight), PORTS)  # type: ignore[arg-type]


@pytest.mark.parametrize("conditional", [False, True])
def test_pix2pix_is_the_adversarial_loss_and_the_mean_absolute_difference(conditional: bool) -> None:
    objective = PairedObjective(TranslationRecipe(l1=100.0, conditional_d=conditional))
    given, data = BATCH.given, BATCH.data
    assert given is not None
    beside = 10 * given.mean(dim=(1, 2, 3)) if conditional else 0.0
    real, fake = (3.0 * (part.mean(dim=(1, 2, 3)) + beside) for part in (data, 0.5 * given))
    assert value(objective.discriminator_loss(one_way(), BATCH, step())) == pytest.approx(float((softplus(-real) + softplus(fake)).mean()))
    expected = softplus(-fake).mean() + 100 * (0.5 * given - data).abs().mean()
    assert value(objective.generator_loss(one_way(), BATCH, step())) == pytest.approx(float(expected), rel=1e-6)


def test_super_resolution_without_an_adversarial_loss_has_one_player() -> None:
    objective = PairedObjective(TranslationRecipe(adversarial=0.0, mse=1.0))
    assert [player.name for player in objective.players] == ["g"]
    nets = TranslationNetworks(Scale(0.5), None, PORTS)  # type: ignore[arg-type]
    expected = (0.5 * BATCH.given - BATCH.data).square().mean()  # type: ignore[operator]
    assert value(objective.generator_loss(nets, BATCH, step())) == pytest.approx(float(expected))


def test_d_makes_no_updates_in_the_pretraining() -> None:
    objective = PairedObjective(TranslationRecipe(adversarial=0.5, mse=1.0, pretrain=0.4))
    plain = (0.5 * BATCH.given - BATCH.data).square().mean()  # type: ignore[operator]
    assert objective.discriminator_loss(one_way(), BATCH, step(40)) is None
    assert value(objective.generator_loss(one_way(), BATCH, step(40))) == pytest.approx(float(plain))
    assert objective.discriminator_loss(one_way(), BATCH, step(41)) is not None
    assert value(objective.generator_loss(one_way(), BATCH, step(41))) > float(plain)


def two_way() -> TwoWayNetworks:
    return TwoWayNetworks((Scale(0.5), Mean(3.0)), (Scale(4.0), Mean(-1.0)), PORTS)  # type: ignore[arg-type]


def test_cyclegan_is_its_published_sum() -> None:
    recipe = TranslationRecipe(loss="least-squares", adversarial=2.0, cycle=10.0, identity=5.0)
    objective = CycleObjective(recipe)
    a, b = BATCH.given, BATCH.data
    assert a is not None
    fake_b, fake_a = 0.5 * a, 4.0 * b
    adversarial = sum((w * fake.mean(dim=(1, 2, 3)) - 1).square().mean() for w, fake in ((3.0, fake_b), (-1.0, fake_a)))
    cycle = (4.0 * fake_b - a).abs().mean() + (0.5 * fake_a - b).abs().mean()
    identity = (0.5 * b - b).abs().mean() + (4.0 * a - a).abs().mean()
    assert value(objective.generator_loss(two_way(), BATCH, step())) == pytest.approx(
        float(adversarial + 10 * cycle + 5 * identity), rel=1e-5
    )
    sides = ((3.0, b, fake_b), (-1.0, a, fake_a))
    means = [(w * real.mean(dim=(1, 2, 3)), w * fake.mean(dim=(1, 2, 3))) for w, real, fake in sides]
    expected = sum(0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean() for real, fake in means)
    assert value(objective.discriminator_loss(two_way(), BATCH, step())) == pytest.approx(float(expected), rel=1e-5)


def test_discogan_has_squared_differences() -> None:
    objective = CycleObjective(TranslationRecipe(adversarial=0.0, cycle=1.0, cycle_distance="mse"))
    a, b = BATCH.given, BATCH.data
    assert a is not None
    expected = (2.0 * a - a).square().mean() + (2.0 * b - b).square().mean()
    assert value(objective.generator_loss(two_way(), BATCH, step())) == pytest.approx(float(expected), rel=1e-5)


def test_the_way_back_shares_the_weights() -> None:
    nets = two_way()
    back = nets.reverse()
    assert back.generator is nets.generator_back
    assert back.reverse() is None


def test_stargan_is_its_published_sum() -> None:
    nets = TranslationNetworks(Scale(1.0, 2.0, 3.0), Mean(1.5, domains=3), TranslationPorts(given=SHAPE, shape=SHAPE, domains=3))  # type: ignore[arg-type]
    objective = DomainObjective(TranslationRecipe(loss="wasserstein", classify=2.0, cycle=10.0))
    batch = Batch(data=images(0), labels=torch.arange(6) % 3)
    targets = batch.labels[torch.randperm(6, generator=torch.Generator().manual_seed(0))]  # type: ignore[index]
    factors = torch.tensor([1.0, 2.0, 3.0])
    fake = batch.data * factors[targets].view(-1, 1, 1, 1)
    mean, classes = fake.mean(dim=(1, 2, 3)), torch.arange(1, 4)
    returned = fake * factors[batch.labels].view(-1, 1, 1, 1)
    expected = -1.5 * mean.mean() + 2 * cross_entropy(mean[:, None] * classes, targets) + 10 * (returned - batch.data).abs().mean()
    assert value(objective.generator_loss(nets, batch, step())) == pytest.approx(float(expected), rel=1e-5)
    real = batch.data.mean(dim=(1, 2, 3))
    expected = 1.5 * (mean.mean() - real.mean()) + 2 * cross_entropy(real[:, None] * classes, batch.labels)  # type: ignore[arg-type]
    assert value(objective.discriminator_loss(nets, batch, step())) == pytest.approx(float(expected), rel=1e-5)
    assert nets.reverse() is nets


@pytest.mark.parametrize(
    ("name", "dataset", "settings"),
    [
        ("pix2pix", "digits-edges", {"recipe.cycle": 1.0}),
        ("cyclegan", "digits-unpaired", {"recipe.l1": 1.0}),
        ("stargan", "digits-domains", {"recipe.pool": 5}),
        ("l1-only", "digits-edges", {"recipe.conditional_d": True}),
        ("l1-only", "digits-edges", {"recipe.l1": 0.0}),
        ("stargan", "digits-domains", {"recipe.classify": 0.0}),
        ("srgan-mse", "digits-x2", {"recipe.gp": 10.0}),
    ],
)
def test_a_setting_without_effect_is_refused_in_one_line(name: str, dataset: str, settings: dict[str, object]) -> None:
    with pytest.raises(UserError) as refused:
        assemble(config_for(name, {"dataset": dataset, "recipe.width": 4, **settings}), DATASETS.get(dataset).spec)
    assert "\n" not in str(refused.value)
    assert any(path in str(refused.value) for path in (*settings, "recipe.adversarial"))
