"""Read one named array from an .npz file of another program. Loads nothing by pickle."""

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
    """Return the array `name` of an .npz file, with its shape and dtype in the file.

    Raises UserError if the array is missing or damaged, contains Python objects, or does not fit into memory.
    """
    file = one_line(path, most=160)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
        if f"{name}.npy" not in sizes:
            names = ", ".join(member.removesuffix(".npy") for member in sizes)
            raise UserError(f"{file} has no array {name!r}; " + (f"it has {one_line(names)}" if names else "it is empty"))
        if sizes[f"{name}.npy"] > 1e9 * (memory_gb() or float("inf")):
            raise MemoryError
        with warnings.catch_warnings(), np.load(path, allow_pickle=False) as arrays:
            warnings.simplefilter("ignore")  # NumPy warns about old files
            found: NDArray[Any] = arrays[f"{name}.npy"]  # another member may have the name without the ending
        if not isinstance(found, np.ndarray):  # NumPy returns other content as bytes
            raise UserError(f"the array {name!r} of {file} is damaged: write it again with numpy.savez")
        return found
    except UserError:
        raise
    except MemoryError as error:  # also raised for a damaged header with a huge shape
        raise UserError(
            f"the array {name!r} of {file} does not fit into memory, or its header is damaged: use fewer examples, or write it again"
        ) from error
    except Exception as error:  # damaged zip files and headers raise many types
        raise UserError(f"{file} is not an .npz file of numbers, or is damaged ({one_line(error)}): write it with numpy.savez") from error
