"""GANs with packs of examples for the discriminator, and the errors of invalid packs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.core.config import config_for
from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Step
from bench.training.build import assemble
from variants.gan import AdversarialObjective, GanNetworks, build_gan, check_packs
from variants.losses import HARD, LOSSES
from variants.recipe import GanRecipe

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)
PLANE = DataShape(kind="points", shape=(2,))


class Sum(nn.Module):
    """Discriminator whose logit is the weighted sum of a pack of points."""

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, packs: torch.Tensor) -> torch.Tensor:
        return (packs * self.weights).sum(dim=1, keepdim=True)


def packing(pack: int, weights: list[float]) -> GanNetworks:
    """Return a GAN whose generator is the identity and whose discriminator is Sum."""
    return GanNetworks(nn.Identity(), Sum(weights), GanRecipe(pack=pack, z_dim=2))


def step(seed: int = 0) -> Step:
    return Step(images=0, budget_images=None, index=0, noise=torch.Generator().manual_seed(seed))


def test_unpacked_examples_pass_untouched() -> None:
    data = torch.randn(6, 2)
    assert packing(1, [1.0, 1.0]).packs(data) is data


def test_a_pack_is_neighbours_side_by_side() -> None:
    points = torch.arange(12.0).view(6, 2)
    assert packing(3, [0.0] * 6).packs(points).tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


def test_packed_images_are_channels() -> None:
    images = torch.randn(4, 3, 5, 5)
    packs = packing(2, [0.0]).packs(images)
    assert packs.shape == (2, 6, 5, 5)
    assert torch.equal(packs[1, :3], images[2])
    assert torch.equal(packs[1, 3:], images[3])


def test_one_logit_a_pack_real_and_fake_apart() -> None:
    nets = packing(2, [1.0, 10.0, 100.0, 1000.0])
    real, fake = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    for joined in (False, True):
        nets.batch_coupled = not joined
        on_real, on_fake = nets.discriminate_both(real, fake)
        assert (on_real.item(), on_fake.item()) == (4321.0, 8765.0)


@pytest.mark.parametrize("loss", LOSSES.names())
def test_the_loss_of_packs_is_that_of_their_logits(loss: str) -> None:
    nets = packing(2, [0.3, -0.2, 0.1, 0.4])
    objective = AdversarialObjective(GanRecipe(loss=loss, pack=2, z_dim=2))
    real = torch.randn(6, 2)
    fake = nets.draw(6, torch.Generator().manual_seed(0)).z
    on_real, on_fake = nets.judge(real.view(3, 4)), nets.judge(fake.view(3, 4))
    terms = objective.discriminator_loss(nets, Batch(data=real), step())
    torch.testing.assert_close(terms.loss, LOSSES.get(loss).discriminator(on_real, on_fake, HARD))
    torch.testing.assert_close(terms.log["logit_real"], on_real.detach())
    terms = objective.generator_loss(nets, Batch(data=real), step())
    torch.testing.assert_close(terms.loss, LOSSES.get(loss).generator(on_fake, on_real))


def test_the_gradient_penalty_is_of_whole_packs() -> None:
    weights = [3.0, 0.0, 0.0, 4.0]  # the gradient has norm 5 for a pack, and 3 or 4 for one of its points
    objective = AdversarialObjective(GanRecipe(loss="wasserstein", gp=10.0, pack=2, z_dim=2))
    terms = objective.discriminator_loss(packing(2, weights), Batch(data=torch.randn(6, 2)), step())
    torch.testing.assert_close(terms.log["gradient_penalty"], torch.full((3,), 16.0))


def test_penalised_points_lie_between_whole_packs() -> None:
    judged: list[torch.Tensor] = []
    nets = packing(2, [1.0] * 4)
    nets.judge = lambda packs, labels=None: judged.append(packs.detach()) or packs.sum(dim=1, keepdim=True)  # type: ignore[method-assign]
    nets.generate = lambda latent: torch.ones(64, 2)  # type: ignore[method-assign]
    objective = AdversarialObjective(GanRecipe(loss="wasserstein", gp=1.0, pack=2, z_dim=2))
    objective.discriminator_loss(nets, Batch(data=torch.zeros(64, 2)), step())
    between = judged[-1]
    assert between.shape == (32, 4)
    assert torch.equal(between, between[:, :1].expand(-1, 4))  # one interpolation weight for both points
    assert between[:, 0].unique().numel() == 32


@pytest.mark.parametrize(
    ("settings", "batch_norm"),
    [({}, True), ({"recipe.norm_d": "none"}, False), ({"recipe.norm_d": "none", "recipe.gp": 10.0, "recipe.k": 2}, False)],
)
def test_any_wiring_trains_on_packs(settings: dict[str, object], batch_norm: bool) -> None:
    config = config_for("pacdcgan3", {"recipe.width": 4, "recipe.batch_size": 12, **settings})
    networks, objective = assemble(config, DIGITS)
    assert isinstance(networks, GanNetworks)
    assert networks.batch_coupled == batch_norm
    terms = objective.players[0].loss(networks, Batch(data=torch.randn(12, 1, 8, 8)), step())
    assert terms.log["logit_real"].shape == terms.log["p_fake"].shape == (4, 1)
    terms.loss.mean().backward()
    assert all(parameter.grad is not None for parameter in networks.discriminator.parameters())


def test_labels_are_smoothed_a_pack() -> None:
    nets = packing(2, [0.0] * 4)
    objective = AdversarialObjective(GanRecipe(real_label=0.9, pack=2, z_dim=2))
    terms = objective.discriminator_loss(nets, Batch(data=torch.randn(4, 2)), step())
    torch.testing.assert_close(terms.loss, torch.full((2, 1), 2 * torch.log(torch.tensor(2.0)).item()))


@pytest.mark.parametrize(("size", "pack", "fitting"), [(64, 3, 63), (60, 7, 63), (65, 32, 64)])
def test_batches_make_whole_packs(size: int, pack: int, fitting: int) -> None:
    with pytest.raises(UserError) as error:
        build_gan("mlp-2d", GanRecipe(batch_size=size, pack=pack), PLANE)
    assert f"recipe.pack={pack} " in str(error.value)
    assert str(error.value).endswith(f"set recipe.batch_size={fitting}")
    check_packs(GanRecipe(batch_size=fitting, pack=pack))


@pytest.mark.parametrize(("size", "pack", "most"), [(100, 100, 50), (2, 2, 1), (65, 64, 32), (2, 10**9, 1)])
def test_a_batch_makes_two_packs_at_least(size: int, pack: int, most: int) -> None:
    with pytest.raises(UserError) as error:
        build_gan("mlp-2d", GanRecipe(batch_size=size, pack=pack), PLANE)
    assert f"recipe.pack={pack} " in str(error.value)
    assert f"at most {most}, or a larger recipe.batch_size" in str(error.value)


def test_packing_of_a_variant_is_a_setting() -> None:
    config = config_for("ns-gan", {"recipe.pack": 4, "recipe.width": 4})
    networks, _ = assemble(config, DIGITS)
    assert networks.get_submodule("discriminator.features")[1].in_features == 4 * 64  # type: ignore[index]


def gradients_of_d(nets: GanNetworks, recipe: GanRecipe, batch: torch.Tensor) -> list[torch.Tensor]:
    """Return the gradients of D's loss on this batch and on generated samples from a fixed random stream."""
    nets.zero_grad(set_to_none=True)
    objective = AdversarialObjective(recipe)
    objective.discriminator_loss(nets, Batch(data=batch), step()).loss.mean().backward()
    return [parameter.grad.clone() for parameter in nets.discriminator.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("networks", ["mlp", "mlp-small"])
def test_one_call_on_the_joined_batch_has_the_gradients_of_two(networks: str) -> None:
    recipe = GanRecipe(z_dim=8)
    torch.manual_seed(0)
    nets = build_gan(networks, recipe, DIGITS).eval()  # no dropout: its masks would differ
    batch = torch.rand(6, 1, 8, 8) * 2 - 1
    found = []
    for joined in (True, False):
        nets.batch_coupled = not joined
        found.append(gradients_of_d(nets, recipe, batch))
    assert found[0]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_fakes_without_a_graph_leave_the_gradients_of_d_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = GanRecipe(z_dim=8)
    torch.manual_seed(0)
    nets = build_gan("mlp", recipe, DIGITS).eval()
    batch = torch.rand(6, 1, 8, 8) * 2 - 1
    without = gradients_of_d(nets, recipe, batch)
    assert all(parameter.grad is None for parameter in nets.generator.parameters())
    monkeypatch.setattr(torch, "no_grad", torch.enable_grad)
    with_graph = gradients_of_d(nets, recipe, batch)
    assert any(parameter.grad is not None for parameter in nets.generator.parameters())
    for one, other in zip(without, with_graph, strict=True):
        torch.testing.assert_close(one, other)
