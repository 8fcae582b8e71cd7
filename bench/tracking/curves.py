"""Curves of runs as one tidy data frame: run_id, images, seconds (the training clock), key and value. Does not import torch."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bench.core.errors import one_line
from bench.metrics.columns import is_standard_error
from bench.tracking.artifacts import Artifacts

log = logging.getLogger(__name__)
CURVE_COLUMNS = ("run_id", "images", "seconds", "key", "value")
CURVE_TYPES = {"images": "int64", "seconds": "float64", "key": "category", "value": "float64"}


def read_curves(artifacts: Artifacts, run_ids: Sequence[str], path: str) -> pd.DataFrame:
    """Return the curves of runs, which are their artifacts of this path. Logs a warning for a damaged curve."""
    frames = {}
    for run_id in run_ids:
        content = artifacts.read(run_id, path)
        if content is None:
            continue
        try:
            frames[run_id] = pd.read_parquet(io.BytesIO(content))[list(CURVE_COLUMNS[1:])].astype(CURVE_TYPES)
            if not all(isinstance(key, str) for key in frames[run_id]["key"].cat.categories):
                raise TypeError("its keys are not text")
        except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are ValueErrors or TypeErrors
            frames.pop(run_id, None)
            log.warning("artifact %s of run %s cannot be read: %s", path, run_id, one_line(error, most=120))
    return _join(frames) if frames else pd.DataFrame(columns=list(CURVE_COLUMNS))


def curve(curves: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `Results.curves` with one of these keys, with run_id and key as plain text."""
    return curves[curves["key"].isin(list(keys))].astype({"run_id": object, "key": object})


def final_errors(curves: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the last standard error of each metric, by run. Every run with a curve has an entry."""
    found: dict[str, dict[str, float]] = {str(run_id): {} for run_id in curves["run_id"].unique()}
    keys = [key for key in map(str, curves["key"].unique()) if is_standard_error(key)]
    last = curve(curves, keys).drop_duplicates(["run_id", "key"], keep="last")
    for run_id, key, value in zip(last["run_id"], last["key"], last["value"], strict=True):
        found[run_id][key] = value
    return found


def _join(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one frame with the curves of all runs. Its text columns are categoricals in alphabetical order."""
    ids = np.array(sorted(curves))
    keys = sorted({key for frame in curves.values() for key in frame["key"].cat.categories})
    run_codes = np.repeat(np.searchsorted(ids, list(curves)), [len(frame) for frame in curves.values()])
    key_codes = np.concatenate([frame["key"].cat.set_categories(keys).cat.codes for frame in curves.values()])
    return pd.DataFrame({
        "run_id": pd.Categorical.from_codes(run_codes, categories=pd.Index(ids.astype(object))),
        **{name: np.concatenate([frame[name] for frame in curves.values()]) for name in ("images", "seconds")},
        "key": pd.Categorical.from_codes(key_codes, categories=pd.Index(keys)),
        "value": np.concatenate([frame["value"] for frame in curves.values()]),
    })  # fmt: skip
