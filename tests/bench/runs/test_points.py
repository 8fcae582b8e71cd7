"""Runs on point datasets, from the first picture to samples of the generator."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import torch
from PIL import Image

from bench.core.config import DATASETS
from bench.evaluation import grids
from bench.evaluation.generator import load_generator
from bench.runs.runner import run
from bench.tracking import results

SETTINGS: dict[str, Any] = {"dataset": "ring8", "networks": "mlp-2d", "recipe.width": 4, "evaluation.marks": 1}


pytestmark = pytest.mark.usefixtures("standard_errors")


@pytest.mark.parametrize(
    ("variant", "settings"),
    [("pacgan2", {"budget.generator_updates": 30}), ("wgan-gp", {"budget.generator_updates": 10}), ("ns-gan", {"recipe.pack": 4})],
)
def test_a_run_on_points(uri: str, tmp_path: Path, variant: str, settings: dict[str, Any], command: Any) -> None:
    config = small.config(variant, **SETTINGS, **settings)
    result = run(config, small.context(uri, tmp_path / "runs"))
    assert result.status == "finished"
    assert math.isfinite(result.values["modes/reverse_kl"])
    found = results.load(uri, ("small",))
    assert 1 <= len(found.grids(result.run_id)) <= 5
    final = found.artifact(result.run_id, results.FINAL_GRID)
    assert Image.open(final).size == (320, 320)
    assert found.artifact(result.run_id, results.INTERPOLATION) is None

    generator, ring = load_generator(result.run_id, uri), DATASETS.get("ring8")
    latents = grids.fixed_latents(generator.networks, torch.device("cpu"), grids.picture_size(ring))
    assert final.read_bytes() == grids.generated_png(generator.networks, latents, ring)
    points = generator.sample(50)
    assert (points.shape, points.dtype) == ((50, 2), torch.float32)

    status, out, _ = command("sample", result.run_id, "--n", "50", "--out", str(tmp_path / "x.npz"))
    assert (status, out.startswith("50 points: ")) == (0, True)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["points"], points.numpy())


def test_sampled_points_have_the_numbers_of_the_run(uri: str, tmp_path: Path, command: Any) -> None:
    result = run(small.config("ns-gan", **SETTINGS, **{"evaluation.samples": 500}), small.context(uri, tmp_path / "runs"))
    assert command("sample", result.run_id, "--n", "500", "--out", str(tmp_path / "x.npz"))[0] == 0
    status, out, _ = command("evaluate", str(tmp_path / "x.npz"), "--dataset", "ring8", "--json")
    found = json.loads(out)
    measured = {key: value for key, value in result.values.items() if not key.startswith("perf/")}
    assert (status, found["metrics"], found["reasons"]) == (0, measured, {})
    assert {"modes/js_mixture", "modes/js_mixture_se", "modes/found"} <= set(measured)
    assert found["real"]["modes/js_mixture"] < found["untrained"]["modes/js_mixture"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("vanilla",), "the networks 'mlp' generate image data, not points; set networks=mlp-2d"),
        (
            ("gan-2d", "--set", "recipe.pack=3"),
            "recipe.pack=3 does not divide a batch of 100; set recipe.batch_size=99",
        ),
    ],
)
def test_a_variant_that_cannot_train_on_points_is_one_line(uri: str, command: Any, words: tuple[str, ...], message: str) -> None:
    status, out, err = command("run", *words, "--dataset", "ring8")
    assert (status, out, err.strip()) == (2, "", f"ganbench: {message}")
