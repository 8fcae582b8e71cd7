"""Read external points float32 [n, D] from the array `points` of an .npz file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.core.errors import UserError, one_line
from bench.core.spec import Dataset
from bench.evaluation.evaluator import FEWEST
from bench.evaluation.npz import npz_array

ARRAY = "points"


def read_points(path: Path, dataset: Dataset) -> Tensor:
    """Read all points of a file as float32 [n, D]. Raises UserError for a wrong shape, type or value, or too few points."""
    array = npz_array(path, ARRAY)
    shape, dtype = array.shape, array.dtype
    dims = dataset.spec.shape[0]
    if len(shape) != 2 or shape[1] != dims:
        raise UserError(f"points for {dataset.name!r} must have the shape [N, {dims}], not {one_line(list(shape), most=60)}")
    if dtype.kind != "f":
        raise UserError(f"the array {ARRAY!r} is {one_line(dtype, most=60)}: use floats")
    if shape[0] < FEWEST:
        raise UserError(f"{shape[0]} points are too few to measure: use at least {FEWEST}")
    with np.errstate(over="ignore"):  # values too large for float32 become infinite, and the check below finds them
        points = torch.from_numpy(array.astype(np.float32))
    if not points.isfinite().all():
        raise UserError("the points contain infinite or NaN values: export finite values only")
    return points
