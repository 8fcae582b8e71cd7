"""One named array of an .npz file, its header judged before any of its content is read. Nothing is unpickled."""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UserError, one_line
from bench.core.text import printable


def npz_header(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array, without its content. A UserError where there is none, or where the file is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's about old files
            shape, dtype = _header(path, name)
    except UserError:
        raise
    except Exception as error:  # damaged zip files and headers raise many kinds
        raise UserError(f"{_shown(path)} is no .npz file: {one_line(error)}") from error
    if dtype.hasobject:
        raise UserError(f"the array {name!r} holds Python objects, which are not read: save it as numbers")
    return shape, dtype


def npz_array(path: Path, name: str) -> NDArray[Any]:
    """The array whose header was judged."""
    try:
        with warnings.catch_warnings(), np.load(path, allow_pickle=False) as arrays:
            warnings.simplefilter("ignore")
            found: NDArray[Any] = arrays[f"{name}.npy"]  # as judged: there may be a member without the ending too
            return found
    except MemoryError as error:
        raise UserError(f"the array {name!r} of {_shown(path)} does not fit into memory") from error
    except Exception as error:  # as above
        raise UserError(f"{_shown(path)} is damaged: {one_line(error)}") from error


def _header(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with zipfile.ZipFile(path) as archive:
        names = [member.removesuffix(".npy") for member in archive.namelist()]
        if f"{name}.npy" not in archive.namelist():
            there = f"there is {printable(one_line(', '.join(names)))}" if names else "it is empty"
            raise UserError(f"{_shown(path)} has no array {name!r}; {there}")
        with archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            if not dtype.hasobject:
                _check_size(file.tell() + math.prod(shape) * dtype.itemsize, archive.getinfo(f"{name}.npy").file_size)
    return shape, dtype


def _check_size(needed: int, there: int) -> None:
    """Judged before memory is taken for what a header promises."""
    if needed > there:
        raise ValueError(f"the array has {there:,} bytes, and its header says {needed:,}")


def _shown(path: Path) -> str:
    return printable(one_line(path, most=160))
