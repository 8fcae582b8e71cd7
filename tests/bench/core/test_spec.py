"""Tests of the functions and containers of `bench.core.spec`, and of `nearest`."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from bench.core.errors import UserError, nearest
from bench.core.spec import Latent, Networks, Objective, Recipe, to_bytes, to_unit_range


def test_bytes_survive_the_way_to_the_networks_and_back() -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    scaled = to_unit_range(images)
    assert (scaled.min(), scaled.max()) == (-1, 1)
    assert torch.equal(to_bytes(scaled), images)


def test_points_pass_unchanged() -> None:
    points = torch.randn(5, 2)
    assert to_unit_range(points) is points


def test_rounding_saturates_and_maps_not_a_number_to_black() -> None:
    images = torch.tensor([-9.0, -1.0, 0.0, 1.0, 9.0, float("nan"), float("inf")])
    assert to_bytes(images).tolist() == [0, 0, 128, 255, 255, 0, 255]


def test_a_latent_slices_every_part() -> None:
    latent = Latent(z=torch.arange(4.0), labels=torch.arange(4), extra={"code": torch.arange(4) * 10})
    part = latent[1:3]
    assert len(part) == 2
    assert part.labels is not None
    assert (part.z.tolist(), part.labels.tolist(), part.extra["code"].tolist()) == ([1, 2], [1, 2], [10, 20])


def test_a_recipe_is_frozen_and_closed() -> None:
    recipe = Recipe()
    with pytest.raises(ValidationError):
        recipe.lr_g = 1.0  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Recipe(gp=1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize(("epoch", "expected"), [(0, 1.0), (49, 1.0), (50, 0.5), (99, 0.5), (100, 0.25)])
def test_step_schedule(epoch: int, expected: float) -> None:
    assert Recipe(schedule="step").learning_rate(1.0, epoch) == expected
    assert Recipe().learning_rate(1.0, epoch) == 1.0


def test_an_objective_refuses_networks_it_does_not_know() -> None:
    class Special(Networks): ...

    class Needy(Objective):
        needs = Special

    Needy().check(Special())
    with pytest.raises(UserError, match="Needy needs Special, not Networks"):
        Needy().check(Networks())


def test_nearest_says_what_there_is() -> None:
    assert nearest("dcga", ["dcgan", "vanilla"]) == "; did you mean 'dcgan'?"
    assert nearest("zzz", ["b", "a"]) == "; there is a, b"
    assert nearest("zzz", []) == ""
