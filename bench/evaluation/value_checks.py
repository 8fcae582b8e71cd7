"""Detect external images with a wrong value range. Otherwise such images would get a score, and the user would not notice the mistake."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from torch import Tensor

from bench.core.errors import UserError

log = logging.getLogger(__name__)

MOST_VALUES = 2**22  # values of the real images to count
MIDDLE = 128  # the lowest level of the upper half, to which the middle of a range is rounded
BRIGHT_SHARE = 0.05  # share of real values in the upper half, below which nearly black images may be correct
HALF_SHARE = 0.25  # share of real values in one half of the range. Images without values in that half have another range
DARK_BYTES = 16  # highest level of floats in [0, 1] cast to integers, or of 4-bit levels
DARK_FLOATS = 1  # highest level of floats divided by 255 twice, or of floats in [0, 1] read as 0 to 255
LEAST_SPREAD = 64  # levels between the darkest and the brightest value, because uniform grey images do not show the range
RANGE = "set --range to the values of black and white in these images"
NEARLY_BLACK = 5  # levels: 2 % of white


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The distribution of the values of a dataset's images."""

    upper_share: float  # share of all values in the upper half of the range
    highest: int

    @property
    def lower_share(self) -> float:
        """Share of all values in the lower half of the range."""
        return 1 - self.upper_share


def levels_of(images: Tensor) -> Levels:
    """Return the levels of uint8 images [n, C, H, W], computed from an even subset."""
    some = images[:: max(1, images.numel() // MOST_VALUES)].contiguous()
    return Levels(upper_share=float((some >= MIDDLE).double().mean()), highest=int(some.max()))


def check_values(
    images: Tensor, levels: Levels, *, dataset: str, is_float: bool, value_range: tuple[float, float] | None = None, as_is: bool = False
) -> None:  # fmt: skip
    """Raise a UserError if the value range of uint8 images [n, C, H, W] looks wrong.

    With `as_is`, and for images that are only unusual, log a warning.
    """
    lowest, highest = int(images.min()), int(images.max())
    slip = _too_dark(lowest, highest, levels, dataset, is_float, value_range)
    if not slip and value_range is not None:
        slip = _half_empty(lowest, highest, levels, dataset, value_range)
    if slip and not as_is:
        raise UserError(f"{slip}; --as-is measures the images unchanged")
    if slip:
        log.warning("%s", slip)
    elif highest <= NEARLY_BLACK < levels.highest:
        log.warning(
            "the images are nearly black: their highest value is %d of 255, and the images of %s reach %d", highest, dataset, levels.highest
        )
    if len(images) > 1 and bool((images == images[:1]).all()):
        log.warning("all %d images are the same", len(images))


def _too_dark(lowest: int, highest: int, levels: Levels, dataset: str, is_float: bool, value_range: tuple[float, float] | None) -> str:
    """Return the mistake if hardly any value is above black, else "". Ignores a range that starts below 0."""
    black, white = value_range or (0.0, 1.0)
    if levels.upper_share < BRIGHT_SHARE or black < 0 or highest > (DARK_FLOATS if is_float else DARK_BYTES):
        return ""
    if not is_float:
        found = f"the image values go from {lowest} to {highest}, and the values of {dataset} reach {levels.highest}"
        return f"{found}, as if floats in [0, 1] were cast to integers: scale them so that white is 255"
    slip = ", as if they were divided by 255 twice" if value_range is None else f": {RANGE}"
    return f"the images have no value above 1/255 of white, which is {white:g}{slip}"


def _half_empty(lowest: int, highest: int, levels: Levels, dataset: str, value_range: tuple[float, float]) -> str:
    """Return the mistake if the images leave a half of the range empty that the data fills, else ""."""
    if highest - lowest < LEAST_SPREAD:
        return ""
    for half, is_empty, share in (
        ("lower", lowest >= MIDDLE - 1, levels.lower_share),  # one level less: float arithmetic may round below the middle
        ("upper", highest <= MIDDLE, levels.upper_share),
    ):
        if is_empty and share >= HALF_SHARE:
            return (
                f"the images have no value in the {half} half of [{value_range[0]:g}, {value_range[1]:g}], where {share:.0%} of the values of "
                f"{dataset} lie: {RANGE}"
            )
    return ""
