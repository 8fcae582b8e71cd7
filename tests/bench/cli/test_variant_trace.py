"""Functions and layers in the traces of variants."""

from __future__ import annotations

import sys

import pytest
import tiny
import torch
from torch import Tensor, nn

from bench.cli.variant_trace import Trace, trace
from bench.core.config import config_for
from bench.core.errors import UserError
from bench.core.spec import Batch, DataShape, Latent, Networks, Step, Terms
from bench.training.build import assemble

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)


def traced(name: str, **settings: object) -> tuple[Networks, Trace]:
    config = config_for(name, {"recipe.width": 8, **settings})
    networks, objective = assemble(config, DIGITS)
    return networks, trace(networks, objective, config.recipe, DIGITS, {"variants"})


def called(name: str) -> set[str]:
    return {code.co_qualname for code, _ in traced(name)[1].functions}


@pytest.mark.parametrize(
    ("name", "functions"),
    [
        ("wgan", {"wasserstein_critic", "wasserstein_generator", "clip_weights"}),
        ("wgan-gp", {"wasserstein_critic", "gradient_penalty", "input_gradient"}),
        ("dragan", {"dragan_penalty", "non_saturating_generator"}),
        ("lecam-gan", {"hinge_discriminator", "lecam"}),
        ("cr-gan", {"consistency", "crop_and_flip"}),
        ("diffaugment-gan", {"augment", "colour", "translation", "cutout"}),
        ("fgan-kl", {"Divergence.discriminator", "Divergence.generator"}),
        ("infogan", {"InfoGanNetworks.draw", "gaussian_loss", "information_bound"}),
        ("unrolled-gan", {"UnrolledObjective.generator_loss", "judged"}),
        ("ebgan", {"energy", "pulling_away"}),
        ("began", {"absolute_error", "BeganObjective.balance"}),
        ("vae", {"VaeNetworks.posterior", "bernoulli", "rate_of"}),
        ("ddpm", {"DiffusionNetworks.add_noise", "DiffusionNetworks.clean"}),
    ],
)
def test_the_functions_of_a_variant_are_recorded(name: str, functions: set[str]) -> None:
    assert functions <= called(name)


def test_functions_of_other_variants_and_layers_are_not() -> None:
    found = called("dcgan")
    assert not found & {"gradient_penalty", "clip_weights", "lecam", "augment", "hinge_discriminator", "minimax_generator"}
    assert not [name for name in found if name.endswith((".forward", "gan")) or name.rpartition(".")[2].startswith("_")]


def test_layers_come_in_the_order_of_the_data_with_the_shapes_of_one_example() -> None:
    _, found = traced("dcgan", **{"recipe.pack": 2})
    assert found.inputs["discriminator"] == ((2, 8, 8),)
    assert found.outputs["generator"] == ((1, 8, 8),)
    order = list(found.outputs)
    assert order.index("generator.body.1") < order.index("generator.body.4") < order.index("discriminator.features.0")


def test_layers_of_growing_networks_are_recorded() -> None:
    networks, found = traced("progan")
    weights = {name.rpartition(".")[0] for name, _ in networks.named_parameters()}
    assert weights <= found.outputs.keys()
    assert "generator.to_image.0" in found.growing
    assert "generator.to_image.1" not in found.growing
    assert not traced("dcgan")[1].growing


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_every_kind_of_objective_can_be_traced(kind: str) -> None:
    networks, objective = tiny.KINDS[kind]
    built = networks()
    found = trace(built, objective(), tiny.recipe(), tiny.SHAPE, {"tiny"})
    assert {name.rpartition(".")[0] for name, _ in built.named_parameters()} <= found.outputs.keys()
    assert f"{type(objective()).__name__}.g" in {code.co_qualname for code, _ in found.functions}


def test_hooks_profiler_and_random_state_are_restored() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    networks, _ = traced("mlp-dropout")
    assert torch.equal(torch.rand(3), expected)
    assert sys.getprofile() is None
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in networks.modules())


def test_failing_sampling_is_a_user_error() -> None:
    class Unsampled(tiny.DiffusionNets):
        def sample(self, latent: Latent) -> Tensor:
            raise ZeroDivisionError

    with pytest.raises(UserError, match="DiffusionObjective with Unsampled fails"):
        trace(Unsampled(), tiny.DiffusionObjective(), tiny.recipe(), tiny.SHAPE, {"tiny"})


def test_a_failing_loss_is_a_user_error() -> None:
    class Broken(tiny.VaeObjective):
        def g(self, nets: nn.Module, batch: Batch, step: Step) -> Terms:
            raise ZeroDivisionError("by\nnothing")

    with pytest.raises(UserError, match="Broken with VaeNets fails on a batch of 8 random examples: by nothing"):
        trace(tiny.VaeNets(), Broken(), tiny.recipe(), tiny.SHAPE, {"tiny"})
    assert sys.getprofile() is None
