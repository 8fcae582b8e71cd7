"""Tests of named random streams: derived seeds, independence and restored states."""

from __future__ import annotations

import torch

from bench.core import random_streams

CPU = torch.device("cpu")


def test_derived_seeds_are_pinned() -> None:
    # If these numbers change, every result changes. Then increase RESULTS_VERSION.
    assert random_streams.derive(0, "noise") == 5127903134280592399
    assert random_streams.derive(3, "data", 7) == 8267379910276544172


def test_streams_differ_by_seed_and_name() -> None:
    seeds = {random_streams.derive(seed, name) for seed in range(50) for name in ("noise", "init", "dropout", "evaluation")}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeded_restores_the_global_generator() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with random_streams.seeded(0, random_streams.INIT):
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with random_streams.seeded(0, random_streams.INIT):
        assert torch.equal(torch.rand(2), first)


def test_global_stream_goes_on_where_it_left_even_after_an_error() -> None:
    plain, broken = random_streams.GlobalStream(0, CPU), random_streams.GlobalStream(0, CPU)
    with plain.active():
        expected = torch.rand(4)
    try:
        with broken.active():
            first = torch.rand(2)
            raise RuntimeError
    except RuntimeError:
        torch.rand(9)
    with broken.active():
        assert torch.equal(torch.cat([first, torch.rand(2)]), expected)


def test_global_stream_can_be_restored() -> None:
    one, two = random_streams.GlobalStream(0, CPU), random_streams.GlobalStream(5, CPU)
    with one.active():
        torch.rand(3)
    two.load_state_dict(one.state_dict())
    with one.active():
        expected = torch.rand(3)
    with two.active():
        assert torch.equal(torch.rand(3), expected)
