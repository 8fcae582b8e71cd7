"""Generators of recorded runs. They repeat the samples of the evaluation, and a missing artifact gives a one-line error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small
import torch
from safetensors.torch import save

from bench.core import random_streams
from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.threads import limited_threads
from bench.evaluation import best_checkpoint
from bench.evaluation.evaluator import Evaluator
from bench.evaluation.generator import MOST, load_generator
from bench.tracking import results
from bench.tracking.client import Tracker
from bench.tracking.results import Results, load

pytestmark = pytest.mark.usefixtures("standard_errors")


@pytest.fixture(scope="module")
def trained(finished_suites: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Results]:
    """Return the URI and the results of a store with finished runs, which tests leave as it is."""
    folder = tmp_path_factory.mktemp("trained")
    small.copy(finished_suites(2), folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    return uri, load(uri, ("small",))


def run_id_of(found: Results, seed: int = 1) -> str:
    return str(found.runs.query(f"kind == 'run' and seed == {seed}")["run_id"].item())


def test_its_images_are_the_samples_of_the_evaluation(trained: tuple[str, Results]) -> None:
    uri, found = trained
    run_id = run_id_of(found)
    generator = load_generator(run_id, uri)
    assert generator.measured_n == 500
    images = generator.sample(generator.measured_n)
    assert (images.dtype, images.shape) == (torch.uint8, (500, 1, 8, 8))
    with limited_threads(1):
        values = Evaluator(DATASETS.get("digits")).full(images).values
    recorded = found.runs.set_index("run_id").loc[run_id]
    assert {key: recorded[key] for key in values if values[key] == values[key]} == {key: v for key, v in values.items() if v == v}
    assert torch.equal(generator.sample(500, seed=1, batch_size=7), images)
    assert not torch.equal(generator.sample(500, seed=0), images)


def test_a_generator_is_its_networks_and_its_configuration(trained: tuple[str, Results]) -> None:
    uri, found = trained
    generator = load_generator(run_id_of(found)[:8], uri, device="cpu")
    assert generator.run_id == run_id_of(found)
    assert (generator.config.variant, generator.config.seed, generator.config.recipe.lr_g) == ("dcgan", 1, 1e-3)
    assert not generator.networks.training
    assert generator.sample(3).shape == (3, 1, 8, 8)
    for n in (0, -1, MOST + 1):
        with pytest.raises(UserError, match="choose 1 to 1,000,000"):
            generator.sample(n)


def test_the_best_weights_have_separate_noise(uri: str, executed: Callable[..., None]) -> None:
    executed(seeds=2)
    found = load(uri, ("small",))
    run_id = run_id_of(found, seed=0)
    with pytest.raises(UserError, match=r"has no weights/best\.safetensors"):
        load_generator(run_id, uri, weights="best")
    last = found.artifact(run_id, results.WEIGHTS)
    assert last is not None
    shutil.copy(last, last.parent / "best.safetensors")
    first, second = load_generator(run_id, uri), load_generator(run_id, uri, weights="best")
    assert (first.stream, second.stream) == (random_streams.EVALUATION, best_checkpoint.NOISE)
    assert not torch.equal(first.sample(10), second.sample(10))
    with pytest.raises(UserError, match="unknown weights 'lats'"):
        load_generator(run_id, uri, weights="lats")


@pytest.mark.parametrize(
    ("artifact", "content", "message"),
    [
        (results.WEIGHTS, None, "has no weights/last.safetensors"),
        (results.WEIGHTS, b"", "are damaged"),
        (results.WEIGHTS, b"x" * 100, "are damaged"),
        (results.WEIGHTS, save({"other": torch.zeros(1)}), "do not fit the networks of dcgan"),
        (results.CONFIG, None, "has no config.json"),
        (results.CONFIG, b"\xff{", "is damaged"),
        (results.CONFIG, b"{}", "not a run configuration"),
        (results.CONFIG, b'{"variant": "gone"}', "unknown variant 'gone'"),
    ],
)
def test_lost_and_damaged_artifacts(
    trained: tuple[str, Results], tmp_path: Path, artifact: str, content: bytes | None, message: str
) -> None:
    uri, found = trained
    run_id = run_id_of(found, seed=0)
    path = found.artifact(run_id, artifact)
    assert path is not None
    before = path.read_bytes()
    try:
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(UserError) as error:
            load_generator(run_id, uri)
    finally:
        path.write_bytes(before)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.fixture
def changed(trained: tuple[str, Results]) -> Iterator[Callable[..., None]]:
    """Yield a function that changes fields of the run's config.json until the end of the test."""
    _, found = trained
    path = found.artifact(run_id_of(found), results.CONFIG)
    assert path is not None
    before = path.read_bytes()
    yield lambda **fields: path.write_text(json.dumps({**json.loads(before), **fields})) and None
    path.write_bytes(before)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_missing_device_is_replaced_by_the_cpu_unless_the_user_names_it(
    device: str,
    trained: tuple[str, Results],
    changed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    uri, found = trained
    run_id = run_id_of(found)
    images = load_generator(run_id, uri).sample(4)
    assert caplog.text == ""
    monkeypatch.setattr("bench.core.environment.devices", lambda: ["cpu"])
    changed(device=device)
    generator = load_generator(run_id, uri)
    assert generator.device.type == "cpu"
    assert torch.equal(generator.sample(4), images)
    assert caplog.text.count(f"has the device {device}, which this machine does not have") == 1
    with pytest.raises(UserError, match=f"there is no device '{device}' on this machine"):
        load_generator(run_id, uri, device=device)


MISSING_DATA = "folder:/gone/photos,size=8,crop=center,channels=1,test=1/7"


def test_an_unconditional_model_needs_no_data(trained: tuple[str, Results], changed: Callable[..., None]) -> None:
    uri, found = trained
    run_id = run_id_of(found)
    images = load_generator(run_id, uri).sample(4)
    changed(dataset=MISSING_DATA)
    generator = load_generator(run_id, uri)
    assert torch.equal(generator.sample(4), images)
    assert generator.data.shape == (1, 8, 8)
    with pytest.raises(UserError, match="there is no folder"):
        _ = generator.dataset


def test_a_run_without_a_data_record_needs_its_data(trained: tuple[str, Results], changed: Callable[..., None]) -> None:
    uri, found = trained
    run_id = run_id_of(found)
    images = load_generator(run_id, uri).sample(4)
    path = found.artifact(run_id, results.DATA)
    assert path is not None
    recorded = path.read_bytes()
    for content in (None, b"{", b'{"kind": "image", "shape": [0], "classes": 10, "class_names": []}'):
        path.unlink() if content is None else path.write_bytes(content)
        assert torch.equal(load_generator(run_id, uri).sample(4), images)
    changed(dataset=MISSING_DATA)
    with pytest.raises(UserError, match=r"has no data\.json, so it needs its dataset: there is no folder") as error:
        load_generator(run_id, uri)
    path.write_bytes(recorded)
    assert len(str(error.value).splitlines()) == 1


def test_runs_that_cannot_be_loaded(trained: tuple[str, Results], tmp_path: Path) -> None:
    uri, found = trained
    reference = found.runs.query("kind == 'reference'")["run_id"].iloc[0]
    wrong = {"0" * 32: "there is no run", "abc": "at least the first 6", "": "there is no run", reference: "is not a training run"}
    for run_id, message in wrong.items():
        with pytest.raises(UserError, match=message):
            load_generator(run_id, uri)
    with pytest.raises(UserError, match="there is no device 'cuda:77' on this machine"):
        load_generator(run_id_of(found), uri, device="cuda:77")
    with pytest.raises(UserError, match="no results at"):
        load_generator(run_id_of(found), f"sqlite:///{tmp_path}/none.db")
    assert Tracker(uri, "small").client.get_run(run_id_of(found)).data.tags["status"] == "finished"
