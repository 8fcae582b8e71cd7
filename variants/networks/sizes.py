"""Sizes of images for networks that halve and double them."""

from __future__ import annotations

from bench.core.errors import UserError

SMALLEST, LARGEST = 4, 7  # pixels of the smallest side, before any doubling


def doublings(name: str, shape: tuple[int, ...]) -> list[int]:
    """Return the sides of square images from 4 to 7 pixels, by doubling, to the side of the data [C, H, W].

    Raises a UserError for other sizes.
    """
    height, side = shape[1:]
    sides = [side]
    while sides[-1] > LARGEST and sides[-1] % 2 == 0:
        sides.append(sides[-1] // 2)
    if height != side or not SMALLEST <= sides[-1] <= LARGEST:
        raise UserError(
            f"the networks {name!r} take square images of 4 to 7 pixels, or those doubled any number of times (8, 28, 32, 64, ...), "
            f"not {height}x{side}; set other networks or another size"
        )
    return sides[::-1]


def channels(sides: list[int], width: int, most: int) -> list[int]:
    """Return the channels at each side: `width` at the full size, doubled at each halving, and at most max(`most`, `width`)."""
    return [min(max(most, width), width * 2**halvings) for halvings in reversed(range(len(sides)))]
