"""The contenders do the same work: same networks, same first weights, same sizes."""

from __future__ import annotations

from itertools import islice
from typing import Any, cast

import pytest
import torch
from torch import nn

from bench import environment
from bench.assemble import assemble
from bench.config import DATASETS, RunConfig, config_for, override
from bench.perf.loops import LOOPS, Pictures, Tutorial, bare_steps, loop, parts, timed, with_torchs_layers
from bench.spec import to_unit_range

SMALL = {"dataset": "digits", "recipe.batch_size": 16, "device": "cpu", "budget.images": 10**9}


def config(variant: str = "mlp-dropout", **settings: Any) -> RunConfig:
    return environment.resolve(override(config_for(variant), {**SMALL, **settings}))


def networks(variant: str) -> nn.Module:
    chosen = config(variant)
    return assemble(chosen, DATASETS.get("digits").spec)[0]


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("variant", ["mlp-dropout", "dcgan"])
def test_a_turn_is_whole_batches_and_as_long_as_asked(name: str, variant: str) -> None:
    go = loop(name, config(variant, **({"recipe.width": 4} if variant == "dcgan" else {})))
    for _ in range(2):
        lap = go(0.05)
        assert lap.images > 0
        assert lap.images % 16 == 0
        assert lap.seconds >= 0.05


def test_an_unknown_loop() -> None:
    with pytest.raises(ValueError, match="no loop 'faster'"):
        loop("faster", config())


def test_pictures_are_what_the_harness_sees() -> None:
    dataset = DATASETS.get("digits")
    pictures = Pictures(dataset)
    assert len(pictures) == 1297
    for index in (0, 7):
        image, label = pictures[index]
        torch.testing.assert_close(image, to_unit_range(dataset.split("train").data[index]))
        assert label == int(cast("torch.Tensor", dataset.split("train").labels)[index])


@pytest.mark.parametrize("variant", ["mlp-dropout", "dcgan"])
def test_torchs_layers_have_the_same_weights_and_give_the_same(variant: str) -> None:
    ours, theirs = networks(variant), networks(variant)
    with_torchs_layers(theirs)
    assert {type(module).__module__.partition(".")[0] for module in theirs.modules() if not list(module.children())} <= {
        "torch",
        "variants",
    }
    assert any(type(a) is not type(b) for a, b in zip(ours.modules(), theirs.modules(), strict=True))
    assert not any(
        type(module).__module__.startswith("variants") and isinstance(module, nn.Dropout | nn.ConvTranspose2d)
        for module in theirs.modules()
    )
    z = torch.randn(5, 100, generator=torch.Generator().manual_seed(0))
    for one, other in zip(parts(ours.eval()), parts(theirs.eval()), strict=True):
        given = z if one is parts(ours)[0] else parts(ours)[0](z)
        torch.testing.assert_close(other(given), one(given), rtol=1e-4, atol=1e-5)


def test_both_loops_train_the_networks_they_are_given() -> None:
    tutorial = Tutorial(config())
    before = [parameter.detach().clone() for parameter in tutorial.networks.parameters()]
    list(islice(tutorial.steps(), 2))
    assert all(not torch.equal(old, new) for old, new in zip(before, tutorial.networks.parameters(), strict=True))
    list(islice(bare_steps(config()), 100))  # more than an epoch


def test_timed_steps_count_their_images() -> None:
    def steps() -> Any:
        while True:
            yield

    lap = timed(steps(), 7)(0.01)
    assert lap.images % 7 == 0
    assert lap.images > 0
