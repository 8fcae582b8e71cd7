"""Malicious pickles for tests. Code that unpickles one creates a marker file."""

from __future__ import annotations

import base64
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch


class Planted:
    """Object that creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self._marker,)


@dataclass(frozen=True)
class Bait:
    """Malicious files in every format that some library unpickles, and the marker file that they create."""

    marker: Path

    @property
    def forms(self) -> dict[str, bytes]:
        """Return the contents of malicious files, by format."""
        planted = Planted(self.marker)
        return {
            "pickle": pickle.dumps(planted, protocol=2),
            "torch": _torch(planted),
            "npy": _npy(planted),
            "npz": _npz(planted),
            "parquet": _parquet(planted),
            "base64": base64.b64encode(pickle.dumps(planted)),
        }

    def trips(self) -> Iterator[str]:
        """Yield the formats that create the marker when they are unpickled. Tests require all of them."""
        for name, content in self.forms.items():
            if name == "parquet":  # only old versions of pyarrow unpickle it
                continue
            match name:
                case "pickle":
                    pickle.loads(content)
                case "base64":
                    pickle.loads(base64.b64decode(content))
                case "torch":
                    torch.load(io.BytesIO(content), weights_only=False)
                case _:
                    found = np.load(io.BytesIO(content), allow_pickle=True)
                    _ = found["images"] if name == "npz" else found
            if self.marker.exists():
                self.marker.unlink()
                yield name


def _torch(planted: Planted) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": planted}, buffer)
    return buffer.getvalue()


def _npy(planted: Planted) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([planted], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _npz(planted: Planted) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, images=np.array([planted] * 20, dtype=object))
    return buffer.getvalue()


def _parquet(planted: Planted) -> bytes:
    """Return a curve with the extension type that old versions of pyarrow unpickle (CVE-2023-47248)."""
    hidden = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickle.dumps(planted)}
    columns = {"images": pa.int64(), "seconds": pa.float64(), "key": pa.string(), "value": pa.float64()}
    schema = pa.schema([pa.field(name, kind, metadata=hidden) for name, kind in columns.items()])
    table = pa.table({"images": [1], "seconds": [1.0], "key": ["train/loss_d"], "value": [0.5]}, schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()
