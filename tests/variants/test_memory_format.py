"""Channels-last memory format: the same initial weights, the same training, and bit-identical resumption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import small
import torch

from bench.core import serialization
from bench.runs.preparation import prepare
from bench.training.loop import Trainer, train
from variants.networks.layers import is_channels_last

ROUNDS = 6


def trainer(memory_format: str, variant: str = "dcgan", **settings: Any) -> Trainer:
    config = small.config(variant, memory_format=memory_format, **{"recipe.batch_size": 20, "budget.images": ROUNDS * 20, **settings})
    return prepare(config).trainer


def trained(one: Trainer, images: int) -> Trainer:
    """Train until a trainer has processed this number of images, and return the trainer."""
    for _ in train(one, [], pause=lambda: one.images >= images):
        break
    return one


def weights(one: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in one.networks.named_parameters()}


@pytest.mark.parametrize("networks", ["dcgan", "dcgan-deep", "lucic", "resnet", "r3gan", "style"])
def test_the_same_first_weights_and_the_same_training(networks: str) -> None:
    plain, last = (trainer(form, networks=networks) for form in ("contiguous", "channels_last"))
    assert all(torch.equal(a, b) for a, b in zip(weights(plain).values(), weights(last).values(), strict=True))
    assert any(is_channels_last(value) for value in last.networks.parameters())
    assert not any(is_channels_last(value) for value in plain.networks.parameters())
    first = weights(plain)
    plain, last = (trained(one, ROUNDS * 20) for one in (plain, last))
    for name, value in weights(plain).items():
        moved = (value - first[name]).norm()
        assert moved > 0
        assert (value - weights(last)[name]).norm() < 0.02 * moved, name


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
def test_a_resumed_run_is_bit_identical_and_its_moments_lie_as_its_weights(optimiser: str, tmp_path: Path) -> None:
    whole = trained(trainer("channels_last", **{"recipe.optimiser": optimiser}), ROUNDS * 20)
    stopped = trained(trainer("channels_last", **{"recipe.optimiser": optimiser}), ROUNDS * 10)
    serialization.save(stopped.state_dict(), tmp_path / "state")
    resumed = trainer("channels_last", **{"recipe.optimiser": optimiser})
    resumed.load_state_dict(serialization.load(tmp_path / "state"))
    for player_state in resumed.player_states:
        for parameter, moments in player_state.optimiser.state.items():
            assert all(value.stride() == parameter.stride() for value in moments.values() if value.shape == parameter.shape)
    trained(resumed, ROUNDS * 20)
    assert all(torch.equal(a, b) for a, b in zip(weights(resumed).values(), weights(whole).values(), strict=True))
