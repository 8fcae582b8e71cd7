"""Augmentations and noise before the discriminator, against known results."""

from __future__ import annotations

import pytest
import torch

from variants.augment import augment, colour, crop_and_flip, cutout, instance_noise, translation

IMAGES = torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_translation_moves_the_whole_image_and_lets_grey_in() -> None:
    dot = torch.zeros(200, 1, 16, 16)
    dot[:, 0, 8, 8] = 1.0
    moved = translation(dot, noise())
    places = {tuple(place) for place in (moved[:, 0] > 0).nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in range(6, 11) for column in range(6, 11)}  # an eighth of 16 pixels in each direction
    assert torch.equal(moved.flatten(1).sum(1), torch.ones(200))
    assert set(translation(torch.ones(50, 1, 16, 16), noise()).unique().tolist()) == {0.0, 1.0}


def test_a_cutout_is_a_grey_square_of_half_a_side_or_what_of_it_lies_inside() -> None:
    holes = cutout(torch.ones(500, 1, 16, 16), noise()) == 0
    rows, columns = holes[:, 0].any(2).sum(1), holes[:, 0].any(1).sum(1)
    assert rows.max() == columns.max() == 8
    assert torch.equal(holes.flatten(1).sum(1), rows * columns)
    assert min(rows.min(), columns.min()) >= 4


def test_colours_of_grey_images_keep_their_order() -> None:
    """On one channel, saturation has no effect. Brightness and contrast are an increasing linear function for each image."""
    grey = IMAGES[:, :1]
    changed = colour(grey, noise())
    order = grey.flatten(1).argsort(1)
    assert (changed.flatten(1).gather(1, order).diff(dim=1) > -1e-6).all()
    slopes = (changed.flatten(1).amax(1) - changed.flatten(1).amin(1)) / (grey.flatten(1).amax(1) - grey.flatten(1).amin(1))
    assert 0.5 <= slopes.min() < 0.6
    assert 1.4 < slopes.max() <= 1.5
    shifts = (changed - grey).mean(dim=(1, 2, 3))
    assert -0.5 <= shifts.min() < -0.4
    assert 0.4 < shifts.max() <= 0.5


def test_mirrored_and_cropped_by_up_to_an_eighth() -> None:
    left = torch.zeros(400, 1, 16, 16)
    left[:, 0, 8, 2] = 1.0
    columns = (crop_and_flip(left, noise())[:, 0] > 0).nonzero()[:, 2]
    assert set(columns.tolist()) == {*range(5), *range(11, 16)}
    assert 150 < (columns > 8).sum() < 250


def test_instance_noise_has_the_deviation_that_is_asked_for() -> None:
    added = instance_noise(IMAGES, 0.3, noise()) - IMAGES
    assert added.std() == pytest.approx(0.3, rel=0.02)
    assert added.mean() == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color,translation,cutout"])
def test_augmentations_are_drawn_from_the_stream_and_let_gradients_through(policy: str) -> None:
    images = IMAGES.clone().requires_grad_()
    changed = augment(images, policy, noise())
    assert changed.shape == images.shape
    assert not torch.equal(changed, images)
    assert torch.equal(changed, augment(images, policy, noise()))
    assert not torch.equal(changed, augment(images, policy, noise(1)))
    (gradient,) = torch.autograd.grad(changed.square().sum(), images)
    assert gradient.isfinite().all()
    assert (gradient != 0).float().mean() > 0.4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert augment(IMAGES.bfloat16(), policy, noise()).dtype == torch.bfloat16
