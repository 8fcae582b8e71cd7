"""Cache on disk for tensors that each machine computes once."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.core import serialization
from bench.core.config import short_hash
from bench.core.errors import UserError
from bench.data.cache import cache_root, locked

log = logging.getLogger(__name__)

Parts = dict[str, Tensor]
LIBRARIES = ("numpy", "scipy", "scikit-learn")


def cached(name: str, identity: Mapping[str, Any], names: Collection[str], measure: Callable[[], Parts]) -> Parts:
    """Return the tensors of these names from the cache folder. If they are not cached, compute and cache them.

    `identity` contains everything that the tensors depend on. The file name also depends on library versions and threads, which may
    change single bits. So a cached value equals a new one. If several processes need the same tensors, one of them computes these.
    """
    machine = {"torch": torch.__version__, "threads": torch.get_num_threads(), **_versions()}
    path = cache_root() / "references" / f"{plain(name)}-{short_hash({**identity, **machine})}.safetensors"
    found = _read(path, names)
    if found is not None:
        return found
    try:
        with locked(path.parent / ".locks" / path.stem):
            return _read(path, names) or _measured(path, measure)
    except UserError as error:  # without a writable folder, every process computes the same values
        log.warning("%s: every process computes %s itself", error, name)
        return measure()


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def _measured(path: Path, measure: Callable[[], Parts]) -> Parts:
    parts = measure()
    try:
        serialization.save(parts, path)
    except OSError as error:
        log.warning("cannot write %s (%s): every process computes it itself", path, error.strerror or error)
    return parts


def _read(path: Path, names: Collection[str]) -> Parts | None:
    """Return the cached tensors, or None. Logs a warning for a damaged file, which the caller replaces."""
    if not path.exists():
        return None
    try:
        parts: Parts = serialization.load(path)
    except UserError as error:
        log.warning("%s: computing these statistics again", error)
        return None
    if set(parts) != set(names):
        log.warning("%s contains %s: computing these statistics again", path, ", ".join(sorted(parts)))
        return None
    return parts


def plain(name: str) -> str:
    """Return a dataset's name as part of a file name, without the characters of a path."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[-60:]
