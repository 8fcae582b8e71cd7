"""The best weights of a run: which are kept, and what they are."""

from __future__ import annotations

import math

import tiny
import torch

from bench.core.spec import Networks
from bench.evaluation.best_checkpoint import Best


def networks(value: float) -> Networks:
    nets = tiny.ConditionalNets()
    with torch.no_grad():
        for parameter in nets.parameters():
            parameter.fill_(value)
    return nets


def weight(nets: Networks | None) -> float:
    assert nets is not None
    return next(nets.parameters()).flatten()[0].item()


def test_the_lowest_is_kept_as_a_copy_and_of_equals_the_first() -> None:
    best, live = Best(), networks(1.0)
    best.offer(5.0, 100, live)
    with torch.no_grad():
        next(live.parameters()).fill_(9.0)
    best.offer(5.0, 200, live)
    best.offer(7.0, 300, live)
    best.offer(math.nan, 400, live)
    assert (best.value, best.images, weight(best.networks(live))) == (5.0, 100, 1.0)
    best.offer(4.0, 500, live)
    assert (best.value, best.images, weight(best.networks(networks(0.0)))) == (4.0, 500, 9.0)


def test_nothing_offered_is_nothing() -> None:
    assert Best().networks(networks(0.0)) is None


def test_its_state_comes_back() -> None:
    best, again = Best(), Best()
    best.offer(3.0, 64, networks(2.0))
    again.load_state_dict(best.state_dict())
    assert (again.value, again.images, weight(again.networks(networks(0.0)))) == (3.0, 64, 2.0)
