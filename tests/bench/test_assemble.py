"""A configuration made ready: first weights, and what is refused."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import nn

from bench.assemble import assemble, budget_images, check, initialise, prepare
from bench.config import config_for
from bench.errors import UserError
from bench.spec import DataShape

DIGITS = DataShape(kind="image", shape=(1, 8, 8), classes=10)


@pytest.fixture
def layers() -> tiny.Networks:
    networks = tiny.Networks()
    torch.manual_seed(0)
    networks.linear, networks.conv = nn.Linear(400, 300), nn.Conv2d(64, 64, 3)
    networks.norm, networks.plain_norm = nn.BatchNorm2d(5000), nn.BatchNorm1d(3, affine=False)
    return networks


def test_dcgan_init(layers: tiny.Networks) -> None:
    before = layers.linear.weight.clone()
    initialise(layers, tiny.recipe(init="dcgan"))
    assert layers.conv.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert layers.conv.bias.abs().max() == 0
    assert layers.norm.weight.mean().item() == pytest.approx(1, abs=2e-3)
    assert layers.norm.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(layers.linear.weight, before)  # the paper speaks of convolutions


def test_kaiming_init(layers: tiny.Networks) -> None:
    initialise(layers, tiny.recipe(init="kaiming"))
    assert layers.linear.weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert layers.conv.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert layers.linear.bias.abs().max() == 0


def test_normal_init(layers: tiny.Networks) -> None:
    initialise(layers, tiny.recipe(init="normal"))
    for layer in (layers.linear, layers.conv):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert layer.bias.abs().max() == 0
    assert torch.equal(layers.norm.weight, torch.ones(5000))


@pytest.mark.parametrize("scheme", ["dcgan", "normal", "kaiming"])
def test_weights_under_spectral_norm_are_drawn_too(scheme: str) -> None:
    layer = nn.utils.parametrizations.spectral_norm(nn.Conv2d(64, 64, 3))
    nets = tiny.Networks()
    nets.layer = layer
    nn.init.zeros_(layer.parametrizations.weight.original)
    initialise(nets, tiny.recipe(init=scheme))
    assert layer.parametrizations.weight.original.std().item() == pytest.approx(0.02 if scheme != "kaiming" else (2 / 576) ** 0.5, rel=0.05)


def test_default_init_touches_nothing(layers: tiny.Networks) -> None:
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    initialise(layers, tiny.recipe())
    assert all(torch.equal(value, before[name]) for name, value in layers.state_dict().items())


def test_first_weights_are_a_function_of_the_seed() -> None:
    states = [assemble(config_for("dcgan", {"recipe.width": 4, "seed": seed}), DIGITS)[0].state_dict() for seed in (0, 0, 1)]
    name = "generator.body.1.weight"
    assert torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[0][name], states[2][name])


def test_labels_are_needed_where_they_are_needed() -> None:
    with pytest.raises(UserError, match="tiny-cgan needs labels"):
        assemble(config_for("tiny:CONDITIONAL"), DataShape(kind="image", shape=(1, 8, 8)))
    assemble(config_for("tiny:CONDITIONAL"), DIGITS)


def test_check_refuses_what_a_run_would() -> None:
    check(config_for("dcgan", {"dataset": "digits"}))
    with pytest.raises(UserError, match="more than the 1,297"):
        check(config_for("dcgan", {"dataset": "digits", "recipe.batch_size": 2000}))
    with pytest.raises(UserError, match=r"evaluation\.samples: 2,000 is more than the 1,297"):
        check(config_for("dcgan", {"dataset": "digits", "evaluation.samples": 2000}))


def test_generator_updates_become_images() -> None:
    config = config_for("wgan", {"dataset": "digits", "budget.generator_updates": 7})
    _, objective = assemble(config, DIGITS)
    assert budget_images(config, objective) == 7 * 5 * 64
    assert budget_images(config_for("wgan", {"budget.images": 100}), objective) == 100
    assert budget_images(config_for("wgan", {"budget.train_seconds": 1}), objective) is None


def test_a_recipe_that_hangs_on_the_budget_takes_none_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.spec.Recipe.bound_to_budget", lambda self: "fade_in_share")
    check(config_for("dcgan", {"dataset": "digits"}))
    with pytest.raises(UserError, match=r"budget\.train_seconds: recipe\.fade_in_share depends on the length of the run"):
        check(config_for("dcgan", {"dataset": "digits", "budget.train_seconds": 60}))


def test_networks_that_would_fill_the_memory_are_refused_before_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    check(config_for("dcgan", {"dataset": "digits", "device": "cpu"}))
    assert torch.equal(torch.rand(1), expected)  # a check draws nothing
    with pytest.raises(UserError, match=r"the networks 'dcgan' of dcgan do not fit into memory: training their \d+,\d+ million parameters"):
        check(config_for("dcgan", {"dataset": "digits", "device": "cpu", "recipe.width": 65_536}))


def test_networks_are_compiled_where_asked_and_only_while_training() -> None:
    settings = {
        "dataset": "digits",
        "device": "cpu",
        "precision": "fp32",
        "memory_format": "contiguous",
        "recipe.ema_half_life_images": 100,
    }
    for asked in (False, True):
        trainer = prepare(config_for("label-smoothed", settings | {"compile": asked})).trainer
        assert all((part._compiled_call_impl is not None) == asked for part in trainer.networks.children())
        assert all(part._compiled_call_impl is None for part in trainer.scored.children())
