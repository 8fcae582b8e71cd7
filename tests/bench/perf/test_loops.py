"""Tests that the benchmarked loops do the same work, with equal networks, initial weights, sizes and losses."""

from __future__ import annotations

from itertools import islice
from typing import Any, cast

import pytest
import torch
from torch import nn

from bench.core.config import DATASETS, RunConfig, config_for, override
from bench.core.errors import UserError
from bench.core.spec import to_unit_range
from bench.perf import loops
from bench.perf.loops import GEMM, Bare, Pictures, Tutorial, loop, parts, timed, with_torchs_layers
from bench.runs.auto_choice import resolve
from bench.runs.preparation import prepare
from bench.training.build import assemble

SMALL = {"dataset": "digits", "recipe.batch_size": 16, "device": "cpu", "budget.images": 10**9, "precision": "fp32"}


def config(variant: str = "mlp-dropout", **settings: Any) -> RunConfig:
    return resolve(override(config_for(variant), {**SMALL, **settings}))


def small(variant: str) -> RunConfig:
    return config(variant, **({"recipe.width": 4} if variant == "dcgan" else {}))


@pytest.mark.parametrize("name", ["tutorial", "bare", "train"])
@pytest.mark.parametrize("variant", ["mlp-dropout", "dcgan"])
def test_a_turn_is_whole_batches_and_has_the_requested_length(name: str, variant: str) -> None:
    go = loop(name, small(variant))
    for _ in range(2):
        lap = go(0.05)
        assert lap.done > 0
        assert lap.done % 16 == 0
        assert lap.seconds >= 0.05


def test_a_matrix_product_counts_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "SIDES", (8, 16))
    lap = loop(GEMM, config())(0.01)
    assert lap.done % (2 * 8**3) == 0
    assert lap.done > 0


@pytest.mark.parametrize(("native", "slower", "seconds"), [(True, "bf16", 1.0), (True, "fp32", 1.0), (False, "fp32", 3.0)])
def test_the_peak_is_that_of_the_quicker_precision(monkeypatch: pytest.MonkeyPatch, native: bool, slower: str, seconds: float) -> None:
    clock = [0.0]
    slow = torch.bfloat16 if slower == "bf16" else torch.float32

    def mm(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
        clock[0] += 3.0 if a.dtype == slow else 1.0

    monkeypatch.setattr(loops, "SIDES", (8,))
    monkeypatch.setattr(loops, "native_bf16", lambda device: native)
    monkeypatch.setattr(loops.torch, "mm", mm)
    monkeypatch.setattr(loops.time, "perf_counter", lambda: clock[0])
    lap = loop(GEMM, config())(9.0)
    assert lap.done / lap.seconds == pytest.approx(2 * 8**3 / seconds)


def test_an_unknown_loop() -> None:
    with pytest.raises(ValueError, match="no loop 'faster'"):
        loop("faster", config())


def test_a_divergence_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MARK_IMAGES", 16)
    settings = {"recipe.lr_d": 1e30, "recipe.lr_g": 1e30, "recipe.optimiser": "sgd"}
    with pytest.raises(UserError, match="training diverged: "):
        loop("train", config("label-smoothed", **settings))(60.0)  # an early evaluation point detects the divergence


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
    ours, theirs = (assemble(small(variant), DATASETS.get("digits").spec)[0] for _ in range(2))
    with_torchs_layers(theirs)
    changed = [type(b) for a, b in zip(ours.modules(), theirs.modules(), strict=True) if type(a) is not type(b)]
    assert set(changed) == ({nn.Dropout} if variant == "mlp-dropout" else {nn.ConvTranspose2d, nn.Conv2d})
    z = torch.randn(5, 100, generator=torch.Generator().manual_seed(0))
    (generator, discriminator), (their_generator, their_discriminator) = parts(ours.eval()), parts(theirs.eval())
    images = generator(z)
    torch.testing.assert_close(their_generator(z), images, rtol=1e-4, atol=1e-5)
    gradients = []
    for judge in (discriminator.requires_grad_(False), their_discriminator.requires_grad_(False)):
        inputs = images.detach().clone().requires_grad_()
        judge(inputs).sum().backward()
        gradients.append(inputs.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["mlp-dropout", "dcgan"])
def test_every_loop_trains_the_same_first_weights(variant: str) -> None:
    chosen = small(variant)
    trainer = prepare(chosen).trainer
    contenders = {"tutorial": Tutorial(chosen), "bare": Bare(chosen)}
    expected = [parameter.detach().clone() for parameter in trainer.networks.parameters()]
    assert not any(weight.dim() == 4 and not weight.is_contiguous() for weight in contenders["tutorial"].networks.parameters())
    for contender in contenders.values():
        assert all(torch.equal(a, b) for a, b in zip(expected, contender.networks.parameters(), strict=True))
        list(islice(contender.steps(), 100))  # more than an epoch
    with trainer.running():
        for _ in range(100):
            trainer.round()
    images = [
        parts(networks.eval())[0](torch.zeros(1, 100)) for networks in (trainer.networks, *(one.networks for one in contenders.values()))
    ]
    ends = [
        torch.cat([parameter.detach().flatten() for parameter in networks.parameters()])
        for networks in (trainer.networks, *(one.networks for one in contenders.values()))
    ]
    start = torch.cat([parameter.flatten() for parameter in expected])
    lengths = [float((end - start).norm()) for end in ends]
    assert min(lengths) > 0.8 * max(lengths), "the loops differ in the number or the size of their updates"
    assert all(image.isfinite().all() for image in images)


def test_timed_steps_count_what_each_does() -> None:
    def steps() -> Any:
        while True:
            yield

    lap = timed(steps(), 7)(0.01)
    assert lap.done % 7 == 0
    assert lap.done > 0
