"""The size of a page: twelve variants with five seeds and all artifacts take at most five megabytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthetic_results import SyntheticRun, complete, references, results

from bench.tracking.curves import CURVE_COLUMNS
from bench.tracking.results import Results
from reports.build import build, write
from reports.plots.training import GRADIENTS, LOGITS, LOSSES, PROBABILITIES

pytestmark = pytest.mark.slow

LIMIT = 5_000_000  # bytes
BINS = 100
MARKS = 100  # points of a training curve


def noisy(file: Path, random: np.random.Generator) -> None:
    """Replace an image by incompressible noise between white lines, as in a grid of 28 x 28 images."""
    with Image.open(file) as image:
        height, width = np.asarray(image).shape[:2]
    pixels = random.integers(0, 250, size=(height // 2 + 1, width // 2 + 1), dtype=np.uint8)
    step = 28
    pixels[::step], pixels[:, ::step] = 255, 255
    Image.fromarray(pixels).save(file)


def with_training(found: Results, random: np.random.Generator) -> Results:
    """Return the results with a long curve of each kind for every run."""
    keys = [key for pair in (LOSSES, PROBABILITIES, LOGITS, GRADIENTS) for key in pair.keys]
    rows = [
        (run, 1_500 * mark, float(mark), key, abs(float(value)) % 1)
        for run in found.runs[found.runs["kind"] == "run"]["run_id"]
        for key in keys
        for mark, value in enumerate(random.normal(size=MARKS).cumsum() / 10, start=1)
    ]
    remaining = found.curves[~found.curves["key"].isin(keys)]
    return replace(found, curves=pd.concat([remaining, pd.DataFrame(rows, columns=list(CURVE_COLUMNS))], ignore_index=True))


def test_twelve_variants_of_five_seeds(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    runs = [
        SyntheticRun(
            variant=f"a-variant-{i}",
            seed=seed,
            fid=30 + i + seed / 10,
            evidence={"bins": {"generated": list(random.dirichlet([1.0] * BINS)), "train": list(random.dirichlet([50.0] * BINS))}},
        )
        for i in range(12)
        for seed in range(5)
    ]
    found = with_training(results(complete([*runs, *references()]), tmp_path / "runs"), random)
    for file in (tmp_path / "runs").rglob("*.png"):
        noisy(file, random)
    page = write(build(found, title="x"), tmp_path / "report")
    text = page.read_text()
    assert 2_000_000 < len(text.encode()) <= LIMIT  # below the lower bound, large parts are missing
    for part in ("bins-0", "gradients-0", "logits-0", "marks-0", "nearest-0", "interpolation-0", "progress-seconds-0"):
        assert f'id="{part}"' in text
