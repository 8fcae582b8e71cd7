"""The pool of generated images."""

from __future__ import annotations

import torch

from variants.image_pool import ImagePool


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(start: int, n: int) -> torch.Tensor:
    return torch.arange(start, start + n, dtype=torch.float32).view(-1, 1, 1, 1)


def test_until_it_is_full_new_images_are_returned() -> None:
    pool = ImagePool(6, (1, 1, 1))
    assert torch.equal(pool(numbered(1, 4), noise()), numbered(1, 4))
    assert int(pool.count) == 4
    assert torch.equal(pool.images[:4], numbered(1, 4))


def test_then_half_of_the_images_are_earlier_ones_which_the_new_ones_replace() -> None:
    pool, stream = ImagePool(50, (1, 1, 1)), noise()
    pool(numbered(0, 50), stream)
    found = torch.cat([pool(numbered(50 + 20 * step, 20), stream).flatten() for step in range(100)])
    fresh = found == torch.arange(50, 2050)
    assert 0.45 < fresh.double().mean() < 0.55
    assert found.unique().numel() == found.numel()  # an image leaves the pool when it is returned
    remaining = torch.cat([found, pool.images.flatten()])
    assert torch.equal(remaining.sort().values, torch.arange(2050, dtype=torch.float32))  # no image is lost


def test_a_half_filled_pool_resumes_from_its_state() -> None:
    whole, stream = ImagePool(10, (1, 1, 1)), noise(3)
    whole(numbered(0, 5), stream)
    resumed, again = ImagePool(10, (1, 1, 1)), noise()
    resumed.load_state_dict(whole.state_dict())
    again.set_state(stream.get_state())
    for step in range(4):
        assert torch.equal(whole(numbered(5 + 6 * step, 6), stream), resumed(numbered(5 + 6 * step, 6), again))
