"""Preparation of a run: configurations that are refused, and the random streams of a run."""

from __future__ import annotations

import pytest
import torch

from bench.core.config import config_for
from bench.core.errors import UserError
from bench.runs.preparation import check, prepare


def test_check_refuses_the_same_as_a_run() -> None:
    check(config_for("dcgan", {"dataset": "digits"}))
    with pytest.raises(UserError, match="more than the 1,297"):
        check(config_for("dcgan", {"dataset": "digits", "recipe.batch_size": 2000}))
    with pytest.raises(UserError, match=r"evaluation\.samples: 2,000 is more than the 1,297"):
        check(config_for("dcgan", {"dataset": "digits", "evaluation.samples": 2000}))


def test_a_recipe_that_depends_on_the_budget_takes_none_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.core.spec.Recipe.bound_to_budget", lambda self: "fade_in_share")
    check(config_for("dcgan", {"dataset": "digits"}))
    with pytest.raises(
        UserError, match=r"budget\.train_seconds cannot be used, because recipe\.fade_in_share depends on the length of the run"
    ):
        check(config_for("dcgan", {"dataset": "digits", "budget.train_seconds": 60}))


def test_networks_that_would_exceed_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    check(config_for("dcgan", {"dataset": "digits", "device": "cpu"}))
    assert torch.equal(torch.rand(1), expected)  # a check draws no random numbers
    with pytest.raises(
        UserError, match=r"the networks 'dcgan' of dcgan do not fit into memory: training more than \d+,\d+ million parameters"
    ):
        check(config_for("dcgan", {"dataset": "digits", "device": "cpu", "recipe.width": 65_536}))


STREAMS = ("init", "data", "noise")


def streams(seed: int, vary: str) -> dict[str, bytes]:
    """Return what each random stream determines: initial weights, first batch, and the state of the generators of noise and dropout."""
    settings = {"dataset": "digits", "device": "cpu", "precision": "fp32", "memory_format": "contiguous", "recipe.width": 4}
    trainer = prepare(config_for("dcgan", settings | {"seed": seed, "vary": vary})).trainer
    state = trainer.state_dict()
    noise = torch.cat([state["streams"]["noise"], state["streams"]["global"]["cpu"]])
    weights = torch.cat([value.flatten().float() for value in state["networks"].values()])
    values = (weights, trainer.batches.next().data, noise)
    return {name: value.numpy().tobytes() for name, value in zip(STREAMS, values, strict=True)}


@pytest.mark.parametrize("vary", ["init", "data", "noise", "init,noise", "init,data,noise"])
def test_only_the_chosen_streams_follow_the_seed(vary: str) -> None:
    fixed, found, other = streams(0, "init,data,noise"), streams(1, vary), streams(2, vary)
    for name in STREAMS:
        assert len({each[name] for each in (fixed, found, other)}) == (3 if name in vary.split(",") else 1)


def test_networks_are_compiled_on_request_and_only_in_training() -> None:
    settings = {
        "dataset": "digits",
        "device": "cpu",
        "precision": "fp32",
        "memory_format": "contiguous",
        "recipe.ema_half_life_images": 100,
    }
    for requested in (False, True):
        trainer = prepare(config_for("label-smoothed", settings | {"compile": requested})).trainer
        assert all((part._compiled_call_impl is not None) == requested for part in trainer.networks.children())
        assert all(part._compiled_call_impl is None for part in trainer.eval_networks.children())
