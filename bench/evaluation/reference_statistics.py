"""Read Inception statistics of real images from an .npz file, for data that is not on this machine. Loads nothing by pickle.

The file has five arrays. `mu` [2048] and `sigma` [2048, 2048] are those that clean-fid and pytorch-fid write. These programs omit the
other three: `n` (the number of images), `extractor` ("inception") and `resize` ("tensorflow" or "clean").
"""

from __future__ import annotations

import hashlib
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bench.core.config import Resize
from bench.core.errors import UserError, nearest, one_line
from bench.evaluation.npz import npz_array
from bench.metrics.extractors import INCEPTION
from bench.metrics.extractors.inception import WIDTH
from bench.metrics.fidelity import Gaussian
from bench.metrics.real_statistics import ReferenceStatistics

STATED = {"n": "50000", "extractor": "'inception'", "resize": "'clean'"}  # arrays that other programs omit, with examples
ROUNDING = 1e-5  # share of the largest entry or eigenvalue: the precision of a covariance in float32


def read_statistics(path: Path, resize: Resize) -> ReferenceStatistics:
    """Read the statistics of a file. Raises UserError if the file is not valid, or is for images with another resize."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a ValueError for a name with a null byte
        raise UserError(
            f"the reference statistics {one_line(path)} cannot be read: {getattr(error, 'strerror', None) or error}; check the path"
        ) from error
    if not path.is_file():
        raise UserError(f"the reference statistics {one_line(path)} are not a plain file; name an .npz file")
    return _read(path, resize, (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=2)
def _read(path: Path, resize: Resize, stamp: tuple[int, int]) -> ReferenceStatistics:
    """Read and check the file. `stamp` makes the cache notice a changed file."""
    file = one_line(path)
    mean, covariance = (_numbers(path, name, shape) for name, shape in (("mu", (WIDTH,)), ("sigma", (WIDTH, WIDTH))))
    _check_stated(path)
    n, extractor, made_with = (npz_array(path, name) for name in STATED)
    if n.shape != () or n.dtype.kind not in "iu" or int(n) < 2:
        raise UserError(f"n of {file} must be a whole number of images, at least 2, not {one_line(n, most=60)}")
    _check_word(file, "extractor", extractor, (INCEPTION,))
    _check_word(file, "resize", made_with, get_args(Resize))
    if str(made_with) != resize:
        advice = f"--set evaluation.inception_resize={made_with}"
        raise UserError(f"the images of {file} have the resize {str(made_with)!r}, and this evaluation has {resize!r}: {advice}")
    _check_covariance(file, covariance)
    content = hashlib.sha256(mean.tobytes() + covariance.tobytes() + f"{int(n)} {resize}".encode()).hexdigest()
    return ReferenceStatistics(gaussian=Gaussian(mean=mean, covariance=(covariance + covariance.T) / 2), n=int(n), digest=content)


def _numbers(path: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = npz_array(path, name)
    if array.dtype.kind != "f" or array.shape != shape:
        found = f"{one_line(array.dtype, most=60)} {one_line(list(array.shape), most=60)}"
        raise UserError(f"{name} of {one_line(path)} must be floats {list(shape)}, not {found}")
    numbers: NDArray[np.float64] = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise UserError(f"{name} of {one_line(path)} has infinite or NaN values: compute the statistics again")
    return numbers


def _check_stated(path: Path) -> None:
    """Raise UserError for missing arrays, with a command that adds them."""
    with zipfile.ZipFile(path) as archive:
        names = {member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")}
    if missing := [name for name in STATED if name not in names]:
        stated = ", ".join(f"{name}={STATED[name]}" for name in missing)
        code = f"import numpy as np; np.savez('stated.npz', **np.load({str(path)!r}), {stated})"
        advice = f'add the values that apply, for example with python -c "{one_line(code, most=500)}"'
        raise UserError(f"{one_line(path)} has no {', '.join(missing)}: {advice}")


def _check_word(file: str, name: str, found: NDArray[Any], known: tuple[str, ...]) -> None:
    if found.shape != () or found.dtype.kind != "U" or str(found) not in known:
        text = one_line(repr(found.tolist()), most=60)
        raise UserError(f"{name} of {file} is {text}" + nearest(text.strip("'"), known))


def _check_covariance(file: str, covariance: NDArray[np.float64]) -> None:
    """Raise UserError unless a matrix is symmetric and positive semidefinite, up to rounding."""
    largest = np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > ROUNDING * largest:
        raise UserError(f"sigma of {file} is not a covariance, because it is not symmetric: compute the statistics again")
    values = np.linalg.eigvalsh((covariance + covariance.T) / 2)
    if values[0] < -ROUNDING * max(values[-1], 0.0):
        raise UserError(
            f"sigma of {file} is not a covariance: its smallest eigenvalue is {values[0]:.3g}, not 0 or more; compute the statistics again"
        )
