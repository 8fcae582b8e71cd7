"""InfoGAN: its codes and the bound on their mutual information, against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from bench.core.config import config_for
from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Latent, Step
from bench.training.build import assemble
from variants.infogan import CODE, CONTINUOUS, InfoGanNetworks, InfoObjective, InfoRecipe, gaussian_loss, information_bound

PLANE = DataShape(kind="points", shape=(2,))
DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)


class Fixed(nn.Module):
    """Network with the same outputs for every example."""

    def __init__(self, numbers: list[float]) -> None:
        super().__init__()
        self.numbers = nn.Parameter(torch.tensor(numbers))

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        return self.numbers.expand(len(data), -1)


def nets(outputs: list[float], *, categories: int = 2, continuous: int = 1) -> InfoGanNetworks:
    recipe = InfoRecipe(z_dim=3, categories=categories, continuous=continuous)
    return InfoGanNetworks(Fixed([0.0, 0.0]), Fixed(outputs), recipe, PLANE)


def draw(networks: InfoGanNetworks, n: int) -> Latent:
    return networks.draw(n, torch.Generator().manual_seed(0))


def test_the_bound_is_nothing_for_a_guess_and_the_entropy_for_certainty() -> None:
    code = torch.tensor([0, 1, 2, 3])
    torch.testing.assert_close(information_bound(torch.zeros(4, 4), code), torch.zeros(4))
    sure = 50.0 * torch.eye(4)
    torch.testing.assert_close(information_bound(sure, code), torch.full((4,), math.log(4)))
    assert (information_bound(torch.randn(4, 4), code) <= math.log(4)).all()
    half = torch.tensor([[0.0, 0.0, -50.0, -50.0]])  # equal probability for two of four codes
    torch.testing.assert_close(information_bound(half, torch.tensor([1])), torch.tensor([math.log(2)]))


def test_a_continuous_code_is_read_by_a_gaussian_of_variance_1() -> None:
    means, codes = torch.tensor([[0.0, 1.0], [2.0, 2.0]]), torch.tensor([[0.5, 0.5], [2.0, 2.0]])
    torch.testing.assert_close(gaussian_loss(means, codes), torch.tensor([0.25, 0.0]))
    likelihood = -torch.distributions.Normal(means, 1.0).log_prob(codes).sum(dim=1)
    torch.testing.assert_close(gaussian_loss(means, codes), likelihood - math.log(2 * math.pi))


def test_codes_are_drawn_alike_and_stand_beside_z() -> None:
    networks = nets([0.0] * 4)
    latent = draw(networks, 4_000)
    counts = torch.bincount(latent.extra[CODE], minlength=2)
    assert (counts - 2_000).abs().max() < 4 * math.sqrt(4_000 / 4)
    assert latent.extra[CONTINUOUS].min() >= -1
    assert latent.extra[CONTINUOUS].max() <= 1
    inputs = networks.inputs(latent)
    assert inputs.shape == (4_000, 3 + 2 + 1)
    assert torch.equal(inputs[:, 3:5].argmax(dim=1), latent.extra[CODE])
    assert torch.equal(inputs[:, 5:], latent.extra[CONTINUOUS])


def test_both_losses_are_equation_6() -> None:
    networks = nets([0.7, 1.0, 0.0, 0.25])
    objective = InfoObjective(InfoRecipe(z_dim=3, categories=2, continuous=1, info=2.0, info_continuous=0.5))
    batch = Batch(data=torch.zeros(6, 2))
    step = Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(0))
    latent = draw(networks, 6)  # a step draws the same latent first
    code, continuous = latent.extra[CODE], latent.extra[CONTINUOUS][:, 0]
    unread = (math.log(1 + math.e) - (code == 0).float()).mean() * 2.0 + 0.5 * (0.5 * (continuous - 0.25).square()).mean()
    terms = objective.discriminator_loss(networks, batch, step)
    torch.testing.assert_close(terms.loss.detach(), softplus(torch.tensor(-0.7)) + softplus(torch.tensor(0.7)) + unread)
    step = Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(0))
    terms = objective.generator_loss(networks, batch, step)
    torch.testing.assert_close(terms.loss.detach(), softplus(torch.tensor(-0.7)) + unread)
    torch.testing.assert_close(terms.log["mutual_information"], math.log(2) - (math.log(1 + math.e) - (code == 0).float()))


def test_without_continuous_codes() -> None:
    networks, objective = assemble(config_for("infogan", {"recipe.width": 4, "recipe.continuous": 0, "recipe.batch_size": 8}), DIGITS)
    step = Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(0))
    terms = objective.players[0].loss(networks, Batch(data=torch.rand(8, 1, 8, 8)), step)
    assert "continuous_loss" not in terms.log
    assert set(networks.traversals(networks.draw(1, step.noise), 8)) == {CODE}


def test_traversals_turn_one_code_at_a_time() -> None:
    networks = nets([0.0] * 5, continuous=2)
    latent = draw(networks, 2)
    turned = networks.traversals(latent, columns=5)
    assert list(turned) == [CODE, "continuous-1", "continuous-2"]
    assert turned[CODE].extra[CODE].tolist() == [0, 1] * 2
    second = turned["continuous-2"].extra[CONTINUOUS]
    assert second[:, 1].tolist() == [-2, -1, 0, 1, 2] * 2
    assert torch.equal(second[:, 0], latent.extra[CONTINUOUS][:, 0].repeat_interleave(5))
    assert torch.equal(turned["continuous-2"].z, latent.z.repeat_interleave(5, dim=0))


def test_packs_are_refused() -> None:
    with pytest.raises(UserError, match=r"recipe\.pack=2 .*InfoGAN.*; set recipe\.pack=1"):
        assemble(config_for("infogan", {"recipe.pack": 2}), DIGITS)
