"""Records of the evaluations of a run, for each kind of data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from labelled import Labelled
from small import same_numbers

from bench.core.config import DATASETS
from bench.core.threads import limited_threads
from bench.data import sources
from bench.evaluation.evaluator import Evaluator
from bench.evaluation.generator import load_generator
from bench.metrics import real_statistics
from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED, PIXELS, SE
from bench.metrics.extractors import INCEPTION, Features, inception, select
from bench.runs.runner import run
from bench.runs.types import RunResult
from bench.tracking import results

Command = Callable[..., tuple[int, str, str]]
PATH_LENGTH = "diversity/path_length"
LABELS = {"class_names", "class_share"}
MIXTURE = {"modes", "points", "centres", "sd"}
KINDS: list[tuple[str, str, dict[str, Any], set[str], int]] = [  # data, variant, settings, evidence, pairs in the nearest picture
    ("digits", "label-smoothed", {"evaluation.samples": 100}, LABELS | {"bins", "spectrum"}, 32),
    ("labelled:PLAIN", "label-smoothed", {}, {"bins", "spectrum"}, 32),
    ("stacked-digits", "dcgan", {"evaluation.samples": 60, "budget.images": 120}, {"modes", "spectrum"}, 0),
    ("ring8", "ns-gan", {"networks": "mlp-2d", "evaluation.samples": 200}, MIXTURE, 0),
]


pytestmark = pytest.mark.usefixtures("standard_errors")


@pytest.mark.parametrize(("data", "variant", "settings", "expected", "pairs"), KINDS)
def test_a_run_is_measured_by_the_metrics_of_its_data(
    uri: str, tmp_path: Path, data: str, variant: str, settings: dict[str, Any], expected: set[str], pairs: int
) -> None:
    config = small.config(variant, dataset=data, **settings)
    result = run(config, small.context(uri, tmp_path / "runs"))
    assert (result.status, result.reason) == ("finished", "")
    evaluator = Evaluator(DATASETS.get(data), samples=config.evaluation.samples)
    found = results.load(uri, ("small",))
    (row,) = found.runs.to_dict("records")
    measured = {key: value for key, value in result.values.items() if not key.startswith("perf/")}
    assert [key for key in measured if not key.endswith(SE)] == evaluator.keys
    assert row["headline"] == evaluator.headline
    assert math.isfinite(result.values[evaluator.headline])
    assert len(found.curves.query(f"key == '{evaluator.headline}'")) == 2  # the evaluation point in the middle, and the end
    assert set(found.curves[found.curves["key"].str.endswith(SE)]["images"]) == {found.curves["images"].max()}

    evidence = found.read_json(result.run_id, results.EVIDENCE) or {}
    assert set(evidence) == {"n", "reasons", "health", "logits_are_log_odds"} | expected
    assert evidence["n"] == evaluator.n
    assert {key for key in evaluator.keys if math.isnan(result.values[key])} == set(evidence["reasons"])
    picture = found.artifact(result.run_id, results.NEAREST)
    assert (picture is not None) == bool(pairs)


def trained(uri: str, folder: Path, data: str, **settings: Any) -> RunResult:
    config = small.config("dcgan", dataset=data, **{"evaluation.marks": 0, **settings})
    return run(config, small.context(uri, folder / "runs"))


@pytest.mark.parametrize("data", ["digits", "labelled:PLAIN"])
def test_the_order_of_images_does_not_change_the_metrics(uri: str, tmp_path: Path, data: str) -> None:
    result = trained(uri, tmp_path, data)
    evaluator = Evaluator(DATASETS.get(data))
    images = load_generator(result.run_id, uri).sample(evaluator.n)
    shuffled = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(1))]
    assert not torch.equal(images, shuffled)
    with limited_threads(1):
        again = evaluator.full(shuffled).values
    recorded = {key: value for key, value in result.values.items() if not key.startswith(("perf/", PATH_LENGTH))}
    assert same_numbers({key: value for key, value in again.items() if key != PATH_LENGTH}, recorded)
    assert any(key.endswith(SE) for key in recorded)


def test_without_standard_errors_a_run_has_the_same_numbers(uri: str, tmp_path: Path) -> None:
    wanted = [{"evaluation.standard_errors": errors, "evaluation.samples": 100} for errors in (True, False)]
    both, plain = (trained(uri, tmp_path, "digits", **settings).values for settings in wanted)
    assert not any(key.endswith(SE) for key in plain)
    assert same_numbers(*({key: values[key] for key in plain if not key.startswith("perf/")} for values in (plain, both)))


def test_an_unlabelled_run_is_measured_by_pixels(uri: str, tmp_path: Path) -> None:
    settings = {"evaluation.best": True, "evaluation.marks": 3, "recipe.lr_g": 0.05}
    result = trained(uri, tmp_path, "labelled:PLAIN", **settings)
    found = results.load(uri, ("small",))
    curve = found.curves.query(f"key == '{PIXELS}'")
    chosen = (found.read_json(result.run_id, results.EVIDENCE) or {})["best"]
    assert len(curve) == 4
    assert chosen["chosen_by"] == curve["value"].min()
    assert not {FID_CLASSIFIER, FID_DISTILLED} & set(found.curves["key"])


class Sixteen:
    """Fake optional extractor that returns random projections of the pixels."""

    name = INCEPTION
    weights_hash = "sixteen"

    def __init__(self, dataset: Labelled, resize: str = "") -> None:
        self._projection = torch.randn(math.prod(dataset.spec.shape), 16, generator=torch.Generator().manual_seed(0))

    def __call__(self, images: torch.Tensor, *, batch_size: int = 64) -> Features:
        features = images.flatten(1).float() @ self._projection / 1000
        return Features(features=features, logits=features, predicted=None)

    def check(self, images: torch.Tensor) -> None:
        """Accept any image."""


@pytest.mark.parametrize(
    ("kind", "names"), [("inception", ("fid_inception", "kid_inception", "inception_score")), ("photo", ("fid_photo", "kid_photo"))]
)
def test_an_optional_extractor_is_measured_at_the_end_if_it_is_requested(
    kind: str, names: tuple[str, ...], uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, f"load_{kind}", Sixteen)
    result = trained(uri, tmp_path, "digits", **{f"evaluation.{kind}": True, "evaluation.marks": 1})
    requested = {f"quality/{name}" for name in names}
    plain, more = Evaluator(DATASETS.get("digits")).protocol(), Evaluator(DATASETS.get("digits"), **{kind: True}).protocol()
    assert more.keys() - plain.keys() == requested
    assert {key: more[key] for key in plain} == plain
    assert all(math.isfinite(result.values[key]) and math.isfinite(result.values[f"{key}{SE}"]) for key in requested)
    found = results.load(uri, ("small",))
    assert (found.read_json(result.run_id, results.PROTOCOL) or {})["metrics"] == more
    assert found.runs.iloc[0]["headline"] == FID_DISTILLED
    assert {len(found.curves.query("key == @key")) for key in requested} == {1}
    assert len(found.curves.query("key == @FID_DISTILLED")) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("run", "dcgan", "--dataset", "digits", "--set", "evaluation.inception=true"),
        ("suite", "smoke", "--seeds", "1", "--set", "evaluation.inception=true"),
        ("suite", "smoke", "--seeds", "1", "--set", "evaluation.inception=true", "--dry-run"),
        ("score", "RUN", "--set", "evaluation.inception=true"),
    ],
)
def test_inception_without_its_weights_is_refused_before_any_write(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, words: tuple[str, ...]
) -> None:
    run_id = trained(uri, tmp_path, "digits").run_id if "RUN" in words else ""
    before = len(results.load(uri, ("small",)).runs) if run_id else 0

    def unavailable(url: str, **_: Any) -> bytes:
        raise sources.Unavailable("no network")

    monkeypatch.setattr(sources, "download", unavailable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv(inception.VARIABLE, "")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    status, out, err = command(*(run_id if word == "RUN" else word for word in words))
    assert (status, out, len(err.strip().splitlines())) == (2, "", 1)
    assert "cannot download the Inception weights (no network): name the file" in err
    assert not list(here.iterdir())
    if run_id:
        assert len(results.load(uri, ("small",)).runs) == before


HOUR = 3600.0  # longer than any evaluation of a test


def test_measuring_the_real_examples_is_on_no_clock(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, clock = [0.0], time.perf_counter
    parts: list[str] = []

    def measured(name: str, identity: object, names: object, measure: Callable[[], Any]) -> Any:
        parts.append(name)
        passed[0] += HOUR
        return measure()

    monkeypatch.setattr(real_statistics, "cached", measured)
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + passed[0])
    at_marks: list[list[str]] = []
    result = run(small.config(), small.context(uri, tmp_path), watch=lambda progress: at_marks.append(list(parts)))
    assert result.status == "finished"
    assert at_marks[-1] == ["digits-test-distilled"], "an evaluation point must measure the headline only"
    assert {"digits-neighbours-classifier", "digits-training-classifier", "digits-bins-pixels"} < set(parts)
    assert result.values["perf/evaluate_seconds"] < HOUR
    assert result.values["perf/train_seconds"] < HOUR


def test_real_examples_that_cannot_be_measured_lose_no_training(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("no neighbours")

    monkeypatch.setattr(real_statistics, "find_neighbours", fail)
    monkeypatch.setattr(real_statistics, "cached", lambda name, identity, names, measure: measure())
    result = run(small.config(), small.context(uri, tmp_path))
    assert result.status == "finished"
    assert math.isfinite(result.values[FID_DISTILLED])
    assert result.reasons["quality/precision_classifier"] == "no neighbours"
