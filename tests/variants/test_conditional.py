"""Conditional GANs: the labels in the inputs of G and D, and the losses, against values computed by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from bench.core.config import config_for
from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Latent, Step
from bench.runs.preparation import check
from bench.training.build import assemble
from variants.conditional import (
    AuxiliaryGanNetworks,
    AuxiliaryObjective,
    AuxiliaryRecipe,
    ConditionalGanNetworks,
    ProjectionDiscriminator,
    build_conditional,
    class_loss,
)
from variants.gan import AdversarialObjective
from variants.networks.backbone import Discriminator
from variants.recipe import GanRecipe

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)
THREE = DataShape(kind="points", shape=(2,), classes=3)
CONDITIONAL = ("cgan", "acgan", "projection-gan")


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def step() -> Step:
    return Step(images=0, budget_images=None, index=0, noise=noise())


class Recorder(nn.Module):
    """Network that returns fixed columns and records its inputs."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(outputs))
        self.calls: list[tuple[torch.Tensor, ...]] = []

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        self.calls.append(tuple(value.detach() for value in inputs))
        return inputs[0].sum(dim=1, keepdim=True) * self.weight


def nets(kind: type[ConditionalGanNetworks] = ConditionalGanNetworks, *, outputs: int = 1, pack: int = 1) -> ConditionalGanNetworks:
    return kind(Recorder(2), Recorder(outputs), GanRecipe(z_dim=2, pack=pack), THREE)


def test_the_generator_reads_z_and_the_label_one_hot() -> None:
    latent = Latent(z=torch.tensor([[5.0, 6.0], [7.0, 8.0]]), labels=torch.tensor([2, 0]))
    assert nets().inputs(latent).tolist() == [[5, 6, 0, 0, 1], [7, 8, 1, 0, 0]]


def test_fakes_have_the_labels_of_the_real_batch() -> None:
    networks = nets()
    labels = torch.tensor([2, 0, 1, 1])
    AdversarialObjective(GanRecipe(z_dim=2)).discriminator_loss(networks, Batch(data=torch.zeros(4, 2), labels=labels), step())
    assert isinstance(networks.generator, Recorder)
    assert networks.generator.calls[0][0][:, 2:].argmax(dim=1).tolist() == labels.tolist()
    assert isinstance(networks.discriminator, Recorder)
    assert networks.discriminator.calls[0][1].argmax(dim=1).tolist() == labels.tolist() * 2  # with real and with generated data


def test_a_pack_is_told_all_of_its_labels() -> None:
    condition = nets(pack=2).condition(torch.tensor([0, 2, 1, 1]))
    assert condition is not None
    assert condition.tolist() == [[1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 1, 0]]


def test_labels_are_drawn_alike_where_none_are_asked_for() -> None:
    latent = nets().draw(3_000, noise())
    assert latent.labels is not None
    counts = torch.bincount(latent.labels, minlength=3)
    assert (counts - 1_000).abs().max() < 4 * math.sqrt(3_000 * (1 / 3) * (2 / 3))


def test_projection_is_equation_3() -> None:
    plain = Discriminator(nn.Flatten(), nn.Linear(2, 1))
    projecting = ProjectionDiscriminator(plain, 3, (2,))
    with torch.no_grad():
        plain.head.weight.copy_(torch.tensor([[1.0, -1.0]]))  # type: ignore[union-attr, operator]
        plain.head.bias.fill_(0.5)  # type: ignore[union-attr, operator]
        projecting.embedding.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, 10.0, 3.0]]))
    data, labels = torch.tensor([[2.0, 3.0], [2.0, 3.0]]), torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert projecting(data, labels).tolist() == [[2 - 3 + 0.5 + 30], [2 - 3 + 0.5 + 4 + 9]]


def test_projection_sums_features_over_space() -> None:
    projecting = ProjectionDiscriminator(Discriminator(nn.Identity(), nn.Conv2d(2, 1, 2, bias=False)), 3, (2, 2, 2))
    with torch.no_grad():
        for parameter in projecting.parameters():
            parameter.fill_(1.0)
    image = torch.arange(8.0).view(1, 2, 2, 2)
    assert projecting(image, torch.tensor([[0.0, 1.0, 0.0]])).item() == 28 + 28  # the head and the pooled features both sum all values
    assert projecting.training
    assert projecting.discriminator.training


def test_class_loss_is_the_cross_entropy_of_every_member_of_a_pack() -> None:
    logits = torch.tensor([[1.0, 0.0, 0.0, 0.0, 2.0, 0.0]])
    one, two = math.log(math.e + 2) - 1, math.log(math.e**2 + 2)
    torch.testing.assert_close(class_loss(logits, torch.tensor([0, 2])), torch.tensor([one, two]))
    assert class_loss(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])).tolist() == pytest.approx([math.log(3)] * 4)


def test_ac_gan_is_equations_2_and_3() -> None:
    networks = nets(AuxiliaryGanNetworks, outputs=4)
    objective = AuxiliaryObjective(AuxiliaryRecipe(z_dim=2, classify=0.5))
    batch = Batch(data=torch.tensor([[1.0, 2.0], [0.0, -1.0]]), labels=torch.tensor([1, 0]))
    terms = objective.discriminator_loss(networks, batch, step())
    assert isinstance(networks.discriminator, Recorder)
    assert len(networks.discriminator.calls[0]) == 1  # D has no label as input
    real, fake = networks.discriminator.calls[0][0].sum(dim=1).chunk(2)
    adversarial = (torch.nn.functional.softplus(-real) + torch.nn.functional.softplus(fake)).mean()
    expected = adversarial + 0.5 * math.log(3) + 0.5 * math.log(3)  # the three class logits are equal
    torch.testing.assert_close(terms.loss, expected)
    assert terms.log["class_loss_real"].tolist() == pytest.approx([math.log(3)] * 2)
    terms = objective.generator_loss(networks, batch, step())
    fake = networks.discriminator.calls[-1][0].sum(dim=1)
    torch.testing.assert_close(terms.loss, torch.nn.functional.softplus(-fake).mean() + 0.5 * math.log(3))


@pytest.mark.parametrize("name", CONDITIONAL)
@pytest.mark.parametrize("settings", [{"recipe.pack": 2}, {"recipe.loss": "wasserstein", "recipe.gp": 10.0, "recipe.norm_d": "none"}])
def test_packed_and_penalised(name: str, settings: dict[str, object]) -> None:
    config = config_for(name, {"recipe.width": 4, "recipe.batch_size": 8, **settings})
    networks, objective = assemble(config, DIGITS)
    batch = Batch(data=torch.rand(8, 1, 8, 8), labels=torch.arange(8))
    for player in objective.players:
        loss = player.loss(networks, batch, step()).loss.mean()
        loss.backward()  # type: ignore[no-untyped-call]
        assert loss.isfinite()


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_class_is_what_was_asked_for(name: str) -> None:
    networks, _ = assemble(config_for(name, {"recipe.width": 4}), DIGITS)
    networks.eval()
    z = torch.randn(1, 100).expand(2, 100)
    with torch.no_grad():
        one, two = networks.sample(Latent(z=z, labels=torch.tensor([1, 7])))
    assert not torch.equal(one, two)
    assert networks.classes == 10


def test_the_traversal_is_the_same_z_in_class_after_class() -> None:
    latent = nets().draw(2, noise())
    turned = nets().traversals(latent, columns=10)["classes"]
    assert turned.labels is not None
    assert turned.labels.tolist() == [0, 1, 2] * 2
    assert torch.equal(turned.z, latent.z.repeat_interleave(3, dim=0))


@pytest.mark.parametrize("name", CONDITIONAL)
def test_without_labels_one_line_says_what_has_them(name: str, tmp_path: Path) -> None:
    unlabelled = DataShape(kind="image", shape=(1, 8, 8))
    with pytest.raises(UserError, match=r"needs labels, and .* has none; use one with labels: .*fashion-mnist"):
        assemble(config_for(name), unlabelled)
    for index in range(20):
        Image.new("L", (8, 8), index).save(tmp_path / f"{index}.png")
    with pytest.raises(UserError, match=f"^{name} needs labels"):  # also by the check before a run
        check(config_for(name, {"dataset": f"folder:{tmp_path}"}))
    with pytest.raises(UserError, match="needs labels"):
        build_conditional("dcgan", GanRecipe(), unlabelled)
