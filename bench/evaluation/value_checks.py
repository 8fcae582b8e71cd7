"""External images whose values show a slip: in another range than they are read in, they get a number too, and nobody would notice."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from torch import Tensor

from bench.core.errors import UserError

log = logging.getLogger(__name__)

MOST_VALUES = 2**22  # of the real images that are counted
MIDDLE = 128  # the lowest level of the upper half; the middle of a range is rounded to it
BRIGHT_SHARE = 0.05  # of the real values in the upper half: below it, nearly black images may be meant
HALF_SHARE = 0.25  # of the real values in a half of the range: images without any there are in another range
DARK_BYTES = 16  # no higher: floats in [0, 1] turned into integers, or levels of 4 bits such as 0 to 16
DARK_FLOATS = 1  # no higher: floats divided by 255 once too often, or floats in [0, 1] read as 0 to 255
LEAST_SPREAD = 64  # levels between the darkest and the brightest value: images that are all alike grey show no range
RANGE = "--range takes the values that are black and white in these images"
NEARLY_BLACK = 5  # levels: 2 % of white


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Where the values of a data set's images lie."""

    upper_share: float  # of all values, those in the upper half of the range
    highest: int

    @property
    def lower_share(self) -> float:
        """Of all values, those in the lower half of the range."""
        return 1 - self.upper_share


def levels_of(images: Tensor) -> Levels:
    """The levels of uint8 images [n, C, H, W], from some of them, spread over all."""
    some = images[:: max(1, images.numel() // MOST_VALUES)].contiguous()
    return Levels(upper_share=float((some >= MIDDLE).double().mean()), highest=int(some.max()))


def check_values(
    images: Tensor, levels: Levels, *, dataset: str, is_float: bool, value_range: tuple[float, float] | None = None, as_is: bool = False
) -> None:  # fmt: skip
    """A UserError where uint8 images [n, C, H, W], as they were read, show a slip; a warning instead with `as_is`, and where they are odd."""
    lowest, highest = int(images.min()), int(images.max())
    slip = _too_dark(lowest, highest, levels, dataset, is_float, value_range)
    if not slip and value_range is not None:
        slip = _half_empty(lowest, highest, levels, dataset, value_range)
    if slip and not as_is:
        raise UserError(f"{slip}; --as-is measures the images all the same")
    if slip:
        log.warning("%s", slip)
    elif highest <= NEARLY_BLACK < levels.highest:
        log.warning(
            "the images are nearly black: their highest value is %d of 255, and those of %s go to %d", highest, dataset, levels.highest
        )
    if len(images) > 1 and bool((images == images[:1]).all()):
        log.warning("all %d images are the same", len(images))


def _too_dark(lowest: int, highest: int, levels: Levels, dataset: str, is_float: bool, value_range: tuple[float, float] | None) -> str:
    """What is wrong with images of which hardly anything is above black; nothing where black is below 0: they may be grey."""
    black, white = value_range or (0.0, 1.0)
    if levels.upper_share < BRIGHT_SHARE or black < 0 or highest > (DARK_FLOATS if is_float else DARK_BYTES):
        return ""
    if not is_float:
        found = f"the images hold values from {lowest} to {highest}, and those of {dataset} go to {levels.highest}"
        return f"{found}, as if floats in [0, 1] had been turned into integers: multiply them so that white is 255"
    slip = ", as if they had been divided by 255 twice" if value_range is None else f": {RANGE}"
    return f"the images hold no value above 1/255 of white, which is {white:g}{slip}"


def _half_empty(lowest: int, highest: int, levels: Levels, dataset: str, value_range: tuple[float, float]) -> str:
    """What is wrong with images that leave out a half of the range that the data's values fill."""
    if highest - lowest < LEAST_SPREAD:
        return ""
    for half, is_empty, share in (
        ("lower", lowest >= MIDDLE - 1, levels.lower_share),  # one level less: float arithmetic may end below the middle
        ("upper", highest <= MIDDLE, levels.upper_share),
    ):
        if is_empty and share >= HALF_SHARE:
            return (
                f"the images hold no value in the {half} half of [{value_range[0]:g}, {value_range[1]:g}], where {share:.0%} of the values of "
                f"{dataset} lie: {RANGE}"
            )
    return ""
