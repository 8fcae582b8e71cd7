"""Lengths of straight and bent paths, and errors for invalid input."""

from __future__ import annotations

import math

import pytest
import torch

from bench.metrics.diversity import path_lengths


def test_a_straight_path_is_as_long_as_its_ends_are_apart() -> None:
    ends = torch.randn(4, 2, 16, generator=torch.Generator().manual_seed(0))
    steps = torch.lerp(ends[:, :1], ends[:, 1:], torch.linspace(0, 1, 9)[:, None])
    torch.testing.assert_close(path_lengths(steps), (ends[:, 1] - ends[:, 0]).double().norm(dim=1), rtol=1e-5, atol=0)


def test_detours_count_and_standing_still_does_not() -> None:
    square = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 0.0], [3.0, 4.0], [0.0, 0.0]])
    assert path_lengths(torch.stack([square, torch.zeros(5, 2)])).tolist() == [12.0, 0.0]


def test_a_circle_nears_its_circumference_with_more_steps() -> None:
    lengths = []
    for steps in (4, 16, 256):
        angle = torch.linspace(0, 2 * math.pi, steps + 1, dtype=torch.float64)
        lengths.append(path_lengths(torch.stack([angle.cos(), angle.sin()], dim=1)[None]).item())
    assert lengths == sorted(lengths)
    assert lengths[-1] == pytest.approx(2 * math.pi, rel=1e-4)


def test_impossible_input_raises() -> None:
    for shape in ((3, 1, 4), (3, 4)):
        with pytest.raises(ValueError, match="at least 2 points"):
            path_lengths(torch.zeros(shape))
    with pytest.raises(ValueError, match="some features are not finite"):
        path_lengths(torch.full((1, 2, 3), torch.nan))
