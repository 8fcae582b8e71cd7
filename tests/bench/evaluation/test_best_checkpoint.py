"""The best checkpoint of a run, its weights and their values."""

from __future__ import annotations

import math

import tiny
import torch

from bench.core.spec import Networks
from bench.evaluation.best_checkpoint import BestCheckpoint


def networks(value: float) -> Networks:
    nets = tiny.ConditionalNets()
    with torch.no_grad():
        for parameter in nets.parameters():
            parameter.fill_(value)
    return nets


def weight(nets: Networks | None) -> float:
    assert nets is not None
    return next(nets.parameters()).flatten()[0].item()


def test_the_lowest_value_is_stored_as_a_copy_and_the_first_wins_a_tie() -> None:
    best, live = BestCheckpoint(), networks(1.0)
    best.offer(5.0, 100, live)
    with torch.no_grad():
        next(live.parameters()).fill_(9.0)
    best.offer(5.0, 200, live)
    best.offer(7.0, 300, live)
    best.offer(math.nan, 400, live)
    assert (best.value, best.images, weight(best.networks(live))) == (5.0, 100, 1.0)
    best.offer(4.0, 500, live)
    assert (best.value, best.images, weight(best.networks(networks(0.0)))) == (4.0, 500, 9.0)


def test_without_an_offer_it_has_no_networks() -> None:
    assert BestCheckpoint().networks(networks(0.0)) is None


def test_its_state_is_restored() -> None:
    best, again = BestCheckpoint(), BestCheckpoint()
    best.offer(3.0, 64, networks(2.0))
    again.load_state_dict(best.state_dict())
    assert (again.value, again.images, weight(again.networks(networks(0.0)))) == (3.0, 64, 2.0)
