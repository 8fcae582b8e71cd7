"""Tests of all parts of `ganbench perf`, on the embedded digits and with short turns."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.core.config import DATASETS, config_for
from bench.core.errors import UserError
from bench.evaluation.evaluator import Evaluator, reference_images
from bench.metrics.columns import FID_CLASSIFIER, FID_DISTILLED
from bench.perf import measure as measuring
from bench.perf.host import THREAD_VARIABLES, Contender, Host, environment_of
from bench.perf.measure import Setting, measure
from bench.perf.peak import flops_per_image
from bench.perf.quality import QualityPoint, _ready, first_as_good, harness_quality, tutorial_quality
from bench.perf.whole import whole_run
from bench.runs.auto_choice import resolve
from tests.bench.perf.test_loops import config

Command = Callable[..., tuple[int, str, str]]


def test_operations_of_a_round_are_those_of_its_products() -> None:
    # D's update passes real and fake images forward and backward through D. A backward pass costs two forward passes. G samples without
    # a graph. G's update passes forward and backward through G and D, and computes no gradients of D's parameters.
    # A first layer needs no gradient of its input, except that of D in G's update.
    chosen = config()
    g = [(100, 256), (256, 512), (512, 1024), (1024, 64)]
    d = [(64, 1024), (1024, 512), (512, 256), (256, 1)]

    def products(layers: list[tuple[int, int]]) -> int:
        return sum(2 * inputs * outputs for inputs, outputs in layers)

    first_g, first_d = products(g[:1]), products(d[:1])
    d_step = products(g) + 2 * (3 * products(d) - first_d)
    g_step = 3 * products(g) - first_g + 2 * products(d)
    assert flops_per_image(chosen) == d_step + g_step


@pytest.mark.slow
def test_a_whole_run_splits_its_seconds_by_activity() -> None:
    whole = whole_run(config(**{"budget.images": 640, "evaluation.marks": 2, "evaluation.standard_errors": False}).canonical())
    assert whole.images == 640
    assert min(whole.train, whole.evaluate, whole.log) > 0
    assert whole.rest > 0


@pytest.mark.slow
def test_time_to_quality_ends_at_the_first_mark_that_is_as_good() -> None:
    text = config(**{"evaluation.samples": 100, "recipe.batch_size": 60}).canonical()
    found = tutorial_quality(text, 1)
    assert [point.images for point in found] == [240, 480, 660, 900, 1140, 1320]
    assert [point.seconds for point in found] == sorted(point.seconds for point in found)
    at_once = harness_quality(text, 1e9, 1)
    assert at_once is not None
    assert at_once.images == 240  # the first round past a sixth of an epoch
    assert harness_quality(text, -1.0, 1) is None
    values = [QualityPoint(value=value, images=0, seconds=0.0) for value in (9.0, 4.0, 6.0, 5.0)]
    assert first_as_good(values, 5.0) is values[1]
    with pytest.raises(UserError, match="classifier-FID, which ring8 does not have"):
        tutorial_quality(resolve(config_for("gan-2d", {"dataset": "ring8", "device": "cpu"})).canonical(), 1)


def test_time_to_quality_is_of_classifier_fid_whatever_the_headline() -> None:
    images = config(**{"evaluation.samples": 100})
    assert Evaluator(DATASETS.get(images.dataset)).headline == FID_DISTILLED
    _, evaluator = _ready(images.canonical())
    assert evaluator.headline == FID_CLASSIFIER
    assert evaluator.curve(reference_images(evaluator.dataset, 100)).values.keys() == {FID_CLASSIFIER}


def test_data_that_does_not_fit_the_networks_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for dataset, message in (("ring8", "generate image data, not points"), ("nothing", "unknown dataset")):
        with pytest.raises(UserError, match=message):
            measure(Setting(dataset=dataset))


def test_processes_have_their_own_threads() -> None:
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    with environment_of(3):
        assert {os.environ[name] for name in THREAD_VARIABLES} == {"3"}
    assert {name: os.environ.get(name) for name in THREAD_VARIABLES} == before


@pytest.mark.slow
def test_a_contender_works_in_its_process_and_reports_errors() -> None:
    host = Host(Contender(loop="train", config=config(), threads=1))
    images, seconds = host.go(0.2)
    assert images > 0
    assert seconds >= 0.2
    assert host.extra_memory_mb() > 0
    host.close()
    both = Host(Contender(loop="bare", config=config(), threads=1, processes=2))
    assert both.go(0.2)[0] > 0
    for member in both._members:
        member._process.kill()
    with pytest.raises(UserError, match="exited without a result"):
        both.go(0.2)
    both.close()
    with pytest.raises(UserError, match="generate image data"):
        Host(Contender(loop="train", config=config(dataset="ring8"), threads=1)).go(0.1)
    broken = Host(Contender(loop="no such loop", config=config(), threads=1))
    with pytest.raises(RuntimeError, match="no loop 'no such loop'"):
        broken.go(0.1)
    broken.close()


@pytest.mark.slow
def test_the_command_measures_writes_and_draws(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SHORT_IMAGES", {"mlp": 640, "dcgan": 640})
    monkeypatch.setattr(measuring, "QUICK", {"mlp": {"budget.images": 640}, "dcgan": {"budget.images": 640}})
    monkeypatch.setattr(measuring, "QUALITY_EPOCHS", 1)
    status, out, _ = command(
        "perf", "--models", "mlp", "--turns", "1", "--seconds", "0.2", "--dataset", "digits", "--json", "--out", str(tmp_path)
    )
    assert status == 0
    output = json.loads(out)
    wanted = {"train_over_bare.mlp", "train_over_tutorial.mlp", "suite_over_tutorial.mlp", "run_over_train.mlp", "flops_over_peak.mlp"}
    assert wanted <= output["ratios"].keys()
    assert json.loads((tmp_path / "perf.json").read_text()) == output
    assert b"<svg" in (tmp_path / "perf.svg").read_bytes()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that is writable but allows no subfolder")
def test_a_folder_that_cannot_be_created_is_refused_before_the_measurement(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "measure", lambda setting: pytest.fail("the measurement starts before the folder is checked"))
    status, out, err = command("perf", "--out", "/proc/none/perf", "--dataset", "digits")
    assert (status, out) == (2, "")
    assert err.startswith("ganbench: ")
    assert "cannot" in err
    assert "/proc/none" in err
