"""The published baseline matches this code. A change of a version or of an evaluation protocol requires a new baseline."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.core.config import RESULTS_VERSION, VARIANTS
from bench.core.spec import Examples
from bench.data.fashion_mnist import FASHION_MNIST
from bench.evaluation.evaluator import Evaluator
from bench.scheduling.suite import SUITES, PlannedRun, plan
from reports.baseline import read_baseline
from reports.export import FORMAT

BASELINE = Path(__file__).parents[2] / "docs" / "baseline"
AGAIN = "docs/baseline is not of this code; update it: make bench && .venv/bin/ganbench report --suite quick --csv docs/baseline"


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BASELINE / "about.json").read_text())
    return found


def test_it_has_this_version_of_results(about: dict[str, Any]) -> None:
    assert about["results_versions"] == [str(RESULTS_VERSION)], AGAIN
    assert about["format"] == FORMAT, AGAIN


def test_it_has_these_versions_of_the_variants(about: dict[str, Any]) -> None:
    expected = {run.config.variant: [str(VARIANTS.get(run.config.variant).version)] for run in plan(SUITES.get("quick"))}
    assert about["variants"] == expected, AGAIN


def test_it_was_measured_by_this_protocol(about: dict[str, Any]) -> None:
    # The evaluation protocol depends on the hash of the data and the number of test images, not on their pixels.
    data = SimpleNamespace(
        name=FASHION_MNIST.name, title=FASHION_MNIST.title, spec=FASHION_MNIST.spec, class_names=FASHION_MNIST.class_names,
        digest=FASHION_MNIST.digest, split=lambda _: Examples(data=torch.zeros(10_000, 1, 28, 28, dtype=torch.uint8)),
    )  # fmt: skip
    protocol = Evaluator(data).protocol()
    assert about["protocols"]["fashion-mnist"] == {key: [value] for key, value in protocol.items()}, AGAIN


def test_it_has_every_run_of_quick_with_its_current_settings() -> None:
    runs = read_baseline(BASELINE)[0].runs
    runs = runs[runs["kind"] == "run"]
    planned = {(run.config.variant, run.config.seed): run for run in plan(SUITES.get("quick"))}
    rows = {(row["variant"], int(row["seed"])): row for row in runs.to_dict("records")}
    assert rows.keys() == planned.keys(), AGAIN
    assert set(runs["status"]) == {"finished"}
    for key, row in rows.items():
        assert {path: row[f"param:{path}"] for path in _settings(planned[key])} == _settings(planned[key]), f"{key}: {AGAIN}"


def _settings(run: PlannedRun) -> dict[str, str]:
    """Return the networks and the recipe of a run."""
    return {path: str(value) for path, value in run.config.recorded_settings().items() if path == "networks" or path.startswith("recipe.")}
