"""Read external images from an .npz file as uint8 [n, C, H, W]. `image_folder` reads image files.

A wrong value range, axis order or size raises a UserError. Otherwise such images would get a score, and the user would not notice the mistake.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.core.errors import UserError, one_line
from bench.core.spec import to_bytes
from bench.evaluation.npz import npz_array
from bench.evaluation.value_checks import Levels, check_values

log = logging.getLogger(__name__)

ARRAY = "images"
SLACK = 1e-5  # share of the range: tolerance for float arithmetic at both ends
CHUNK = 1000  # images in one conversion

Range = tuple[float, float]  # the values of black and of white
UNIT: Range = (0.0, 1.0)
SYMMETRIC: Range = (-1.0, 1.0)
Layout = Literal["NCHW", "NHWC", "NHW"]


@dataclass(frozen=True, kw_only=True)
class ImageRequirements:
    """The requirements that images must meet to be measured."""

    dataset: str
    shape: tuple[int, int, int]  # (channels, height, width)
    fewest: int
    levels: Levels  # of the dataset's images
    as_is: bool = False  # measure images even if their value range looks wrong

    def check_count(self, n: int) -> None:
        """Raise a UserError if there are too few images to measure."""
        if n < self.fewest:
            raise UserError(f"{n} images are too few to measure: use at least {self.fewest}")

    def check_values(self, images: Tensor, *, is_float: bool, value_range: Range | None = None) -> None:
        """Raise a UserError if the value range of uint8 images [n, C, H, W] looks wrong."""
        check_values(images, self.levels, dataset=self.dataset, is_float=is_float, value_range=value_range, as_is=self.as_is)


def read_npz(path: Path, wanted: ImageRequirements, value_range: Range | None = None) -> Tensor:
    """Read the array `images` of an .npz file as uint8 [n, C, H, W]. Raises UserError."""
    array = npz_array(path, ARRAY)
    layout = _layout(array.shape, wanted)
    _check_dtype(array.dtype, value_range)
    wanted.check_count(len(array))
    images = as_bytes(_tensor(array, layout), value_range)
    wanted.check_values(images, is_float=array.dtype.kind == "f", value_range=value_range)
    return images


def as_bytes(images: Tensor, value_range: Range | None) -> Tensor:
    """Convert images [n, C, H, W], uint8 or floats in a range ([0, 1] by default), to uint8. Raises UserError for values outside the range."""
    if images.dtype == torch.uint8:
        return images.contiguous()
    return torch.cat([_rounded(part, value_range) for part in images.split(CHUNK)])


def check_range(value_range: Range | None) -> None:
    """Raise a UserError unless LO < HI and both are finite."""
    if value_range is not None and not (math.isfinite(value_range[1] - value_range[0]) and value_range[0] < value_range[1]):
        raise UserError(f"--range takes LO and HI with LO < HI, not {value_range[0]:g} {value_range[1]:g}")


def _rounded(images: Tensor, value_range: Range | None) -> Tensor:
    """Scale to 0..255, round to the nearest and clamp, like `bench.core.spec.to_bytes`."""
    low, high = value_range or UNIT
    if not images.isfinite().all():
        raise UserError("the images contain infinite or NaN values: export finite values only")
    least, most = float(images.min()), float(images.max())
    slack = SLACK * (high - low)
    if least < low - slack or most > high + slack:
        found = f"the image values go from {least:.4g} to {most:.4g}, and [{low:g}, {high:g}] is expected"
        example = "--range -1 1" if least < 0 else "--range 0 255"
        advice = f"set the values of black and white, e.g. {example}" if value_range is None else "set another --range, or clamp the values"
        raise UserError(f"{found}: {advice}")
    if (low, high) == SYMMETRIC:
        return to_bytes(images)
    return images.double().sub(low).div(high - low).mul(255.0).round().clamp(0, 255).to(torch.uint8)


def _layout(shape: tuple[int, ...], wanted: ImageRequirements) -> Layout:
    """Return the order of the axes. If both orders fit, choose NCHW and log a warning."""
    channels, height, width = wanted.shape
    orders: dict[Layout, tuple[int, ...]] = {"NCHW": (channels, height, width), "NHWC": (height, width, channels)}
    if channels == 1:
        orders["NHW"] = (height, width)
    fitting = [order for order, rest in orders.items() if shape[1:] == rest]
    if not fitting or len(shape) < 3:
        forms = " or ".join(f"[N, {', '.join(map(str, rest))}]" for rest in orders.values())
        raise UserError(f"images for {wanted.dataset!r} must have the shape {forms}, not {one_line(list(shape), most=60)}")
    if len(fitting) > 1:
        log.warning("the shape %s fits both NCHW and NHWC: reading it as NCHW", list(shape))
    return fitting[0]


def _check_dtype(dtype: np.dtype[Any], value_range: Range | None) -> None:
    if dtype.kind != "f" and dtype != np.uint8:
        raise UserError(f"the array {ARRAY!r} is {one_line(dtype, most=60)}: use uint8 in 0..255, or floats in [0, 1]")
    if dtype == np.uint8 and value_range is not None:
        raise UserError("--range is for floats, and these images are uint8: omit it")


def _tensor(array: NDArray[Any], layout: Layout) -> Tensor:
    """Return a tensor [N, C, H, W]. Converts the byte order and the float type to ones that torch supports."""
    if array.dtype.kind == "f":
        array = array.astype(np.float32 if array.dtype.itemsize <= 4 else np.float64)
    images = torch.from_numpy(np.ascontiguousarray(array))
    if layout == "NHW":
        return images.unsqueeze(1)
    return images.permute(0, 3, 1, 2) if layout == "NHWC" else images
