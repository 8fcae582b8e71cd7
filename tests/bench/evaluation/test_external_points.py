"""External points. They are measured like the points of a run, and each mistake gives a one-line error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.core.config import DATASETS, Evaluation
from bench.core.errors import UserError
from bench.evaluation.evaluator import Evaluator
from bench.evaluation.external import measure
from bench.evaluation.external_points import read_points


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "p.npz"
    np.savez(path, **arrays)
    return path


def test_points_are_measured_like_the_points_of_a_run(tmp_path: Path) -> None:
    points = DATASETS.get("ring8").split("train").data[:500]
    for dtype in (np.float32, np.float64):
        found = measure(str(saved(tmp_path, points=points.numpy().astype(dtype))), "ring8")
        assert dict(found.measurement.values) == Evaluator(DATASETS.get("ring8"), samples=500).full(points).values
        assert found.rows["untrained"].values["modes/js_mixture"] > found.rows["real"].values["modes/js_mixture"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((20, 2))}, "has no array 'points'.*images"),
        ({"points": np.zeros((20, 3))}, r"the shape \[N, 2\], not \[20, 3\]"),
        ({"points": np.zeros(20)}, r"not \[20\]"),
        ({"points": np.zeros((20, 2), dtype=int)}, "is int64: use floats"),
        ({"points": np.full((20, 2), np.nan)}, "infinite or NaN"),
        ({"points": np.full((20, 2), 1e300)}, "infinite or NaN"),
        ({"points": np.zeros((9, 2))}, "9 points are too few"),
        ({"points": np.full((20, 2), None)}, "Object arrays"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(UserError, match=message) as error:
        read_points(path, DATASETS.get("ring8"))
    assert "\n" not in str(error.value)


def test_points_are_read_from_files_only(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not from a folder"):
        measure(str(tmp_path), "ring8")
    with pytest.raises(UserError, match="not from a module"):
        measure("torch.nn:Linear", "ring8")
    with pytest.raises(UserError, match="extractor inception takes images, and ring8 has points"):
        measure(str(saved(tmp_path, points=np.zeros((20, 2)))), "ring8", evaluation=Evaluation(inception=True))
    with pytest.raises(UserError, match=r"--range is not for an .npz file of points"):
        measure(str(saved(tmp_path, points=np.zeros((20, 2)))), "ring8", value_range=(0.0, 1.0))
