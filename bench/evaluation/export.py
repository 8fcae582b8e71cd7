"""Write generated examples to a file: an .npz file that `ganbench evaluate` reads, or a PNG picture."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from torch import Tensor

from bench.core.atomic_files import refusal, write_atomic
from bench.core.errors import UserError, nearest, one_line
from bench.core.spec import Dataset
from bench.evaluation.grids import sheet_of
from bench.evaluation.scatter import scatter_png

SUFFIXES = (".npz", ".png")


def check_target(path: Path, *, force: bool) -> None:
    """Raise a UserError unless the file can be written. Call it before the sampling."""
    target = one_line(path, most=120)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out {target!r} has the unknown ending {path.suffix!r}{nearest(path.suffix, SUFFIXES)}")
    try:
        is_folder, exists, parent_exists = path.is_dir(), os.path.lexists(path), path.parent.is_dir()
    except (OSError, ValueError) as error:
        raise UserError(f"--out {target!r} cannot be written: {one_line(error, most=80)}; choose another path") from error
    if is_folder:
        raise UserError(f"--out {target!r} is a folder; name a file in it")
    if exists and not force:
        raise UserError(f"--out {target!r} already exists: --force overwrites it")
    if not parent_exists:
        raise UserError(
            f"--out {target!r} cannot be written: the folder {one_line(path.parent, most=80)!r} does not exist; create it first"
        )
    if why := refusal(path.parent):
        raise UserError(f"--out {target!r} cannot be written: {one_line(path.parent, most=80)!r}: {why}; choose another folder")


def write_samples(data: Tensor, path: Path, points_of: Dataset | None = None) -> None:
    """Write images uint8 [n, C, H, W] as FILE.npz (array `images`) or FILE.png. Raises UserError if the file cannot be written.

    With the dataset `points_of`, `data` are points float32 [n, D] (array `points`).
    """
    if path.suffix.lower() == ".npz":
        content = npz_bytes(data, "points" if points_of else "images")
    else:
        content = scatter_png(data, points_of) if points_of else sheet_of(data)
    try:
        write_atomic(path, content)
    except OSError as error:
        raise UserError(f"--out {one_line(path, most=120)!r} cannot be written: {error.strerror or error}; choose another path") from error


def npz_bytes(data: Tensor, name: str) -> bytes:
    """Return a compressed .npz file with one named array."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{name: data.numpy()})
    return buffer.getvalue()
