"""One named array of an .npz file that somebody else has written. Nothing is unpickled."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.environment import memory_gb
from bench.core.errors import UserError, one_line


def npz_array(path: Path, name: str) -> NDArray[Any]:
    """Return the array of that name. A UserError if it is missing, damaged, made of Python objects, or larger than the memory."""
    shown = one_line(path, most=160)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
        if f"{name}.npy" not in sizes:
            names = ", ".join(member.removesuffix(".npy") for member in sizes)
            raise UserError(f"{shown} has no array {name!r}; " + (f"it has {one_line(names)}" if names else "it is empty"))
        if sizes[f"{name}.npy"] > 1e9 * (memory_gb() or float("inf")):
            raise MemoryError
        with warnings.catch_warnings(), np.load(path, allow_pickle=False) as arrays:
            warnings.simplefilter("ignore")  # NumPy's about old files
            found: NDArray[Any] = arrays[f"{name}.npy"]  # there may be a member without the ending, too
            return found
    except UserError:
        raise
    except MemoryError as error:  # or a header that promises more than there is
        raise UserError(f"the array {name!r} of {shown} does not fit into memory, or its header is damaged") from error
    except Exception as error:  # damaged zip files and headers raise many kinds
        raise UserError(f"{shown} is no .npz file of numbers, or is damaged: {one_line(error)}") from error
