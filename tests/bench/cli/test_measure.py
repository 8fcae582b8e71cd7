"""Tests of the verbs evaluate, sample and score."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.core.config import DATASETS
from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED
from bench.metrics.extractors.bundled import load_distilled
from bench.tracking.client import Tracker
from bench.tracking.results import load
from bench.tracking.store import sqlite_path

Ganbench = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_id(uri: str, executed: Callable[..., None], ganbench: Ganbench) -> str:
    """Return the id of a finished run in the default store."""
    executed()
    return str(load(uri, ("small",)).runs.query("kind == 'run'")["run_id"].item())


def digits(path: str, n: int = 40) -> None:
    np.savez(path, images=DATASETS.get("digits").split("train").data[:n].numpy())


def test_evaluate_prints_one_json_object_or_a_table(ganbench: Ganbench) -> None:
    digits("x.npz")
    status, out, err = ganbench("evaluate", "x.npz", "--dataset", "digits", "--json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert (found["source"], found["n"], found["dataset"]) == ("x.npz", 40, "digits")
    status, out, _ = ganbench("evaluate", "x.npz", "--dataset", "digits")
    assert status == 0
    assert f"{found['metrics']['quality/fid_classifier']:.4g}" in out
    assert f"{found['real']['quality/fid_classifier']:.4g}" in out
    assert f"{found['untrained']['quality/fid_classifier']:.4g}" in out
    assert found["protocol"]["all"] in out
    assert [path.name for path in Path().iterdir()] == ["x.npz"]  # evaluate creates no store


@pytest.mark.parametrize("enough", [False, True])
def test_evaluate_names_the_headline_of_the_dataset(enough: bool, ganbench: Ganbench) -> None:
    digits("x.npz", load_distilled("digits").card.dims + enough)
    found = json.loads(ganbench("evaluate", "x.npz", "--dataset", "digits", "--json")[1])
    assert found["headline"] == FID_DISTILLED
    assert found["protocol"]["metrics"][FID_DISTILLED]
    assert (found["metrics"][FID_DISTILLED] is not None) == (found["real"][FID_DISTILLED] is not None) == enough
    assert (FID_DISTILLED in found["reasons"]) == (not enough)


def test_evaluate_reports_why_a_metric_is_undetermined(ganbench: Ganbench) -> None:
    np.savez("x.npz", images=np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8))
    status, out, _ = ganbench("evaluate", "x.npz", "--dataset", "digits")
    assert status == 0
    assert "modes/collapse: not judged" in out


def test_evaluate_takes_a_range_a_folder_and_a_module(ganbench: Ganbench) -> None:
    images = DATASETS.get("digits").split("train").data[:40]
    digits("bytes.npz")
    np.savez("floats.npz", images=(images.double() / 127.5 - 1).numpy())
    Path("folder").mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image[0].numpy()).save(f"folder/{index:02d}.png")
    found = [
        json.loads(ganbench("evaluate", *words, "--dataset", "digits", "--json")[1])["metrics"]
        for words in (("bytes.npz",), ("floats.npz", "--range", "-1", "1"), ("folder",))
    ]
    assert found[0] == found[1] == found[2]
    Path("a_net.py").write_text(
        "from torch import nn\nnet = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))\nprint('hi')"
    )
    words = ("evaluate", "a_net:net", "--dataset", "digits", "--latent", "4", "--n", "30", "--range", "-1", "1", "--json")
    status, out, err = ganbench(*words)
    assert (status, json.loads(out)["n"], err) == (0, 30, "hi\n")


def test_evaluate_refuses_images_in_another_range_unless_they_are_measured_as_they_are(ganbench: Ganbench) -> None:
    np.savez("x.npz", images=DATASETS.get("digits").split("train").data[:40].numpy() // 255)
    status, out, err = ganbench("evaluate", "x.npz", "--dataset", "digits")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "--as-is" in err
    status, out, err = ganbench("evaluate", "x.npz", "--dataset", "digits", "--as-is", "--json")
    assert (status, json.loads(out)["n"]) == (0, 40)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("evaluate none.npz --dataset digits", "no file or folder 'none.npz'"),
        ("evaluate math:pi --dataset digits", "'math:pi' is 'float', not a torch nn.Module"),
        ("evaluate math:pi --dataset digit", "unknown dataset 'digit'; did you mean 'digits'"),
        ("evaluate nobody:here --dataset digits", "the generator 'nobody:here' cannot be loaded: ModuleNotFoundError"),
        ("evaluate . --dataset digits", "no images in the folder"),
        ("evaluate . --dataset digits --range 2 1", "--range takes LO and HI with LO < HI, not 2 1"),
        ("evaluate . --dataset digits --n 10", "--n is not for a folder"),
        ("sample abcdef --out x.gif", "has the unknown ending '.gif'"),
        ("sample abcdef --out x.npz --n 0", "cannot sample 0 images"),
        ("sample abcdef --out none/x.npz", "the folder 'none' does not exist"),
        ("sample abcdef --out x.npz", "no results at sqlite:///"),
        ("score", "give the ids of the runs to measure again"),
        ("score abcdef", "no results at sqlite:///"),
        ("score --suite smoke --set recipe.lr_g=1", "`ganbench score` has no setting 'recipe.lr_g'"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(ganbench: Ganbench, words: str, message: str) -> None:
    status, out, err = ganbench(*words.split())
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path().iterdir())


def test_sampled_images_have_the_run_s_own_number(ganbench: Ganbench, run_id: str, uri: str) -> None:
    recorded = load(uri, ("small",)).runs.set_index("run_id").loc[run_id, "quality/fid_classifier"]
    assert ganbench("sample", run_id[:8], "--n", "500", "--out", "x.npz")[0] == 0
    status, out, _ = ganbench("evaluate", "x.npz", "--dataset", "digits", "--json")
    assert status == 0
    assert json.loads(out)["metrics"]["quality/fid_classifier"] == recorded
    assert ganbench("sample", run_id, "--n", "500", "--seed", "7", "--out", "y.npz")[0] == 0
    assert json.loads(ganbench("evaluate", "y.npz", "--dataset", "digits", "--json")[1])["metrics"]["quality/fid_classifier"] != recorded


def test_sample_writes_grids_and_nothing_over_a_file(ganbench: Ganbench, run_id: str) -> None:
    status, out, _ = ganbench("sample", run_id, "--n", "9", "--out", "[red].png")
    assert (status, out) == (0, "9 images: [red].png\n")
    assert Image.open("[red].png").size == (3 * 9 + 1, 3 * 9 + 1)
    before = Path("[red].png").read_bytes()
    status, _, err = ganbench("sample", run_id, "--n", "4", "--out", "[red].png")
    assert status == 2
    assert "already exists: --force overwrites it" in err
    assert Path("[red].png").read_bytes() == before
    assert ganbench("sample", run_id, "--n", "4", "--out", "[red].png", "--force")[0] == 0
    assert Image.open("[red].png").size == (2 * 9 + 1, 2 * 9 + 1)
    for words in (("--weights", "best"), ("--weights", "lats"), ("--device", "cuda:99")):
        status, _, err = ganbench("sample", run_id, "--out", "x.npz", *words)
        assert (status, len(err.strip().splitlines())) == (2, 1)
    assert [path.name for path in Path().iterdir()] == ["[red].png"]


def test_score_prints_values_before_and_after(ganbench: Ganbench, run_id: str, uri: str) -> None:
    before = load(uri, ("small",)).runs.set_index("run_id").loc[run_id, FID_DISTILLED]
    status, out, _ = ganbench("score", run_id[:10], "--set", "evaluation.samples=100", "--workers", "1")
    assert status == 0
    after = load(uri, ("small",)).runs.set_index("run_id").loc[run_id, FID_DISTILLED]
    assert before != after
    row = next(line for line in out.splitlines() if line.split()[-1:] == [run_id])
    assert row.split()[:5] == ["dcgan", "digits", "0", f"{before:.4g}", f"{after:.4g}"]
    weights = load(uri, ("small",)).artifact(run_id, "weights/last.safetensors")
    assert weights is not None
    weights.unlink()
    status, out, _ = ganbench("score", "--suite", "small", "--workers", "1")
    assert status == 1
    assert "cannot be measured again" in out
    assert not list(Path().iterdir())


def test_score_compares_values_of_one_metric_if_the_headline_changed(ganbench: Ganbench, run_id: str, uri: str) -> None:
    client = Tracker(uri, "small").client
    client.set_tag(run_id, "headline", FID_CLASSIFIER)
    with sqlite3.connect(str(sqlite_path(uri))) as database:  # as if recorded before this metric existed
        for table in ("metrics", "latest_metrics"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ? AND key = ?", (run_id, FID_DISTILLED))
    status, out, _ = ganbench("score", run_id, "--workers", "1")
    assert status == 0
    recorded = load(uri, ("small",)).runs.set_index("run_id").loc[run_id]
    assert recorded["headline"] == FID_DISTILLED
    row = next(line for line in out.splitlines() if line.split()[-1:] == [run_id])
    assert row.split()[:5] == ["dcgan", "digits", "0", "–", f"{recorded[FID_DISTILLED]:.4g}"]
    assert "distilled FID before" in " ".join(out.split())
    assert "classifier-FID" not in out
