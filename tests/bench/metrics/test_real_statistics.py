"""Statistics of real images. Each part is measured once, cached, and read bit for bit."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.core.config import DATASETS
from bench.core.registry import load_catalogs
from bench.metrics import real_statistics
from bench.metrics.extractors import CLASSIFIER, PIXELS
from bench.metrics.real_statistics import RealSide

PARTS = {"test-classifier", "test-pixels", "neighbours-classifier", "training-classifier", "bins-pixels"}


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    return tmp_path


def digits() -> RealSide:
    load_catalogs()
    return RealSide(DATASETS.get("digits"), (CLASSIFIER, PIXELS))


def everything(real: RealSide) -> dict[str, torch.Tensor]:
    real.prepare(real.kinds, neighbours=True, training=True)
    parts = {
        "features": real.features_of(CLASSIFIER).features, "classes": real.features_of(CLASSIFIER).predictions, "pixels": real.features_of(PIXELS).features,
        "index": real.neighbours.index, "distance": real.neighbours.distance, "train": real.training.features,
        "train_nearest": real.training.nearest, "test_distance": real.training.test_distance, "centres": real.bins.centres,
        "counts": real.bins.train_counts, "bins": real.bins.test,
    }  # fmt: skip
    numbers = torch.tensor([real.pair_distance, real.feature_distance, real.duplicate_threshold], dtype=torch.float64)
    return {**parts, "numbers": numbers, "mean": torch.from_numpy(np.asarray(real.gaussian(CLASSIFIER).mean))}


def test_stored_equals_measured(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = everything(digits())
    files = list((cached / "references").glob("digits-*.safetensors"))
    assert {file.name.removeprefix("digits-").rpartition("-")[0] for file in files} == PARTS
    for name in ("_see", "find_neighbours", "fit_bins", "nearest_other"):
        monkeypatch.setattr(real_statistics, name, None)  # a second measurement would fail
    stored = everything(digits())
    assert all(torch.equal(stored[name], value) for name, value in measured.items())


def test_a_damaged_part_is_measured_again(cached: Path, caplog: pytest.LogCaptureFixture) -> None:
    measured = everything(digits())
    (file,) = (cached / "references").glob("digits-neighbours-*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1000] ^= 0x40
    file.write_bytes(bytes(content))
    again = everything(digits())
    assert "is damaged" in caplog.text
    assert all(torch.equal(again[name], value) for name, value in measured.items())


def test_what_is_known_of_training_images(cached: Path) -> None:
    real = digits()
    train, test = real.training.features, real.features_of(CLASSIFIER).features
    between = torch.cdist(train.double(), train.double(), compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    torch.testing.assert_close(real.training.nearest.double(), between.min(dim=1).values, rtol=1e-5, atol=1e-5)
    across = torch.cdist(test.double(), train.double(), compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(real.training.test_distance.double(), across.min(dim=1).values, rtol=1e-5, atol=1e-5)
    assert int(real.bins.train_counts.sum()) == len(train) == 1297


def test_shares_of_modes() -> None:
    load_catalogs()
    assert RealSide(DATASETS.get("grid25"), ()).mode_shares.tolist() == [1 / 25] * 25
    stacked = RealSide(DATASETS.get("stacked-digits"), (CLASSIFIER, PIXELS))
    shares = stacked.mode_shares
    assert shares.shape == (1000,)
    assert shares.sum() == pytest.approx(1.0)
    assert shares.min() > 0.0005  # the digits have about equal shares


# The modules that define the cached statistics, and their hash. A changed definition needs a new `real_statistics.VERSION`.
SOURCES = ("ndb", "neighbours")
CACHED = {"version": 4, "code": "5bd0be4bbc1a"}


def test_a_changed_definition_needs_a_new_version() -> None:
    folder = Path(str(real_statistics.__file__)).parent
    trees = [ast.parse((folder / f"{name}.py").read_text()) for name in SOURCES]
    code = "\n".join(ast.unparse(_without_words(tree)) for tree in trees)
    found = {"version": real_statistics.VERSION, "code": hashlib.sha256(code.encode()).hexdigest()[:12]}
    assert found == CACHED, "ndb or neighbours changed: bump VERSION in bench/metrics/real_statistics.py if the statistics change"


def _without_words(tree: ast.Module) -> ast.Module:
    """Return a module without its docstrings, which do not change the statistics."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
