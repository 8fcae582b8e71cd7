"""Tests that ganbench unpickles nothing.

A pickle that would create a marker file replaces each kind of file that ganbench reads. No marker appears, and errors are one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import small
import torch
from bait import Bait
from mlflow.entities import Param

from bench.core import serialization
from bench.core.errors import UserError
from bench.data import archive, cache, sources
from bench.data.cifar10 import CIFAR10
from bench.data.fashion_mnist import FASHION_MNIST
from bench.data.fetched import KnownFile
from bench.evaluation.generator import load_generator
from bench.metrics import cache as metrics_cache
from bench.metrics.extractors.classifier import read_extractor
from bench.runs import lock
from bench.runs.rescoring import score
from bench.runs.runner import run
from bench.tracking import earlier_outbox, journal, results, store
from bench.tracking.results import Results, load
from bench.training.checkpoints import CheckpointStore
from reports.build import build, write

FORMS = ("pickle", "torch", "npy", "npz", "parquet", "base64")
Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bait(tmp_path: Path) -> Iterator[Bait]:
    """Yield pickles that would create a marker file. Assert after the test that the marker does not exist."""
    planted = Bait(tmp_path / "marker")
    yield planted
    assert not planted.marker.exists(), "a planted pickle was executed"


@pytest.fixture(params=FORMS)
def content(request: pytest.FixtureRequest, bait: Bait) -> bytes:
    """Return the planted pickle in one file format."""
    return bait.forms[request.param]


def test_the_bait_is_one(tmp_path: Path) -> None:
    assert list(Bait(tmp_path / "marker").trips()) == ["pickle", "torch", "npy", "npz", "base64"]


def one_line(error: pytest.ExceptionInfo[UserError]) -> bool:
    return len(str(error.value).splitlines()) == 1


def test_checkpoints(content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = CheckpointStore(tmp_path / "fingerprint")
    checkpoints.newest.parent.mkdir()
    for path in (checkpoints.newest, checkpoints.before):
        path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged") as error:
        serialization.load(checkpoints.before)
    assert one_line(error)
    assert checkpoints.load() is None
    assert "using the previous checkpoint" in caplog.text
    assert "there is no other" in caplog.text


@pytest.mark.slow
def test_a_run_among_planted_files(uri: str, tmp_path: Path, bait: Bait) -> None:
    """A run restarts from scratch and gives the same values if all files in its folder are planted."""
    context = small.context(uri, tmp_path / "runs")
    first = run(small.config(), context)
    (folder,) = (tmp_path / "runs").glob("*/")
    store.connect(uri).set_tag(first.run_id, "status", "interrupted")
    (folder / "outbox" / first.run_id).mkdir(parents=True)
    (folder / "artifacts" / first.run_id).mkdir(parents=True)
    names = ("state-before.safetensors", "claim.json", "metrics.jsonl", f"end-{first.run_id}.json", f"artifacts/{first.run_id}/final.png",
             f"outbox/{first.run_id}/held", f"outbox/{first.run_id}/00000001.json")  # fmt: skip
    for name in names:
        (folder / name).write_bytes(bait.forms["pickle"])
    (folder / "state.safetensors").write_bytes(bait.forms["torch"])
    again = run(small.config(), context)
    assert again.status == "finished"
    assert again.run_id != first.run_id
    assert small.same_numbers(*({key: value for key, value in one.values.items() if not key.startswith("perf/")} for one in (first, again)))


def test_a_journal(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "end-r.json"
    file.write_bytes(content)
    with pytest.raises(journal.DamagedJournal, match="is damaged"):
        journal.RunJournal.read(file)


def test_an_outbox_of_an_earlier_version(content: bytes, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox" / "run"
    outbox.mkdir(parents=True)
    (outbox / "00000001.json").write_bytes(content)
    with pytest.raises(journal.DamagedJournal, match="is damaged"):
        earlier_outbox.convert(outbox)
    assert (outbox / "00000001.json").exists()


def test_markers_of_run_locks(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / lock.FILE).write_bytes(content)
    with lock.run_lock([tmp_path / "run" / lock.FILE], give_up=lambda: True, wait_seconds=10):
        pass


@pytest.fixture(scope="module")
def trained(finished_suites: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Results]:
    """Return the URI and the results of a store with one finished run."""
    folder = tmp_path_factory.mktemp("trained")
    small.copy(finished_suites(1), folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    return uri, load(uri, ("small",))


@pytest.fixture
def planted(trained: tuple[str, Results], content: bytes) -> Iterator[tuple[str, str]]:
    """Replace all artifacts of the run by planted content, and yield the URI of the store and the id of the run."""
    uri, found = trained
    run_id = str(found.runs.query("kind == 'run'")["run_id"].item())
    root = found.artifact(run_id, results.CONFIG)
    assert root is not None
    files = {path: path.read_bytes() for path in root.parent.rglob("*") if path.is_file()}
    for path in files:
        path.write_bytes(content)
    yield uri, run_id
    for path, before in files.items():
        path.write_bytes(before)


def test_all_artifacts_of_a_run(planted: tuple[str, str], tmp_path: Path, bait: Bait) -> None:
    uri, run_id = planted
    client = store.connect(uri)
    client.set_tag(run_id, "note", bait.forms["base64"].decode())
    client.log_batch(run_id, params=[Param(f"planted-{bait.marker.parent.name}", bait.forms["base64"].decode())])
    with pytest.raises(UserError, match=r"is damaged|not a run configuration") as error:
        load_generator(run_id, uri)
    assert one_line(error)
    scored = score(run_id, uri, {})
    assert (scored.status, len(scored.reason.splitlines())) == ("failed", 1)
    page = write(build(load(uri, ("small",)), title="planted"), tmp_path / "page")
    assert page.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("artifact", "form"),
    [(results.WEIGHTS, "pickle"), (results.WEIGHTS, "torch"), (results.CURVES, "parquet"), (results.CURVES, "pickle"), (results.PROTOCOL, "base64"),
     (results.EVIDENCE, "pickle")],
)  # fmt: skip
def test_one_artifact_among_good_ones(artifact: str, form: str, trained: tuple[str, Results], bait: Bait) -> None:
    """Loading a generator, scoring a run and reading results do not unpickle a planted artifact among good ones."""
    uri, found = trained
    run_id = str(found.runs.query("kind == 'run'")["run_id"].item())
    path = found.artifact(run_id, artifact)
    assert path is not None
    before = path.read_bytes()
    path.write_bytes(bait.forms[form])
    try:
        if artifact == results.WEIGHTS:
            with pytest.raises(UserError, match="are damaged"):
                load_generator(run_id, uri)
        scored = score(run_id, uri, {})
        assert scored.status in ("finished", "failed")
        assert len(load(uri, ("small",)).runs)
    finally:
        path.write_bytes(before)


def test_images_to_evaluate(content: bytes, ganbench: Command) -> None:
    Path("x.npz").write_bytes(content)
    status, _, err = ganbench("evaluate", "x.npz", "--dataset", "digits")
    assert (status, len(err.strip().splitlines())) == (2, 1)
    Path("folder").mkdir()
    Path("folder/1.png").write_bytes(content)
    status, _, err = ganbench("evaluate", "folder", "--dataset", "digits")
    assert (status, len(err.strip().splitlines())) == (2, 1)


def test_inception_weights(content: bytes, ganbench: Command) -> None:
    import numpy as np

    Path("weights.pth").write_bytes(content)
    np.savez("x.npz", allow_pickle=False, images=np.zeros((20, 1, 8, 8), dtype=np.uint8))
    status, _, err = ganbench("evaluate", "x.npz", "--dataset", "digits", "--inception-weights", "weights.pth")
    assert status == 2
    assert "is not the file weights-inception-2015-12-05-6726825d.pth" in " ".join(err.split())


@pytest.mark.parametrize("dataset", [FASHION_MNIST, CIFAR10], ids=["fashion-mnist", "cifar10"])
def test_files_of_data_in_the_cache(dataset: object, bait: Bait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    offline = replace(dataset, name="offline", sources=())  # type: ignore[type-var]
    offline.folder.mkdir(parents=True)  # type: ignore[attr-defined]
    for file in offline.files:  # type: ignore[attr-defined]
        with (offline.folder / file.name).open("wb") as opened:  # type: ignore[attr-defined]
            opened.write(bait.forms["pickle"])
            opened.truncate(file.size_bytes)  # the expected size
    with pytest.raises(UserError, match="cannot be fetched") as error:
        offline.split("train")  # type: ignore[attr-defined]
    assert one_line(error)


def test_what_is_downloaded(content: bytes) -> None:
    known = KnownFile(name="x.tar.gz", size_bytes=len(content), sha256="0" * 64)
    with pytest.raises(sources.Unavailable, match="is corrupted"):
        archive.members(content, {"a": 1}, archive=known, inside="x")
    with pytest.raises(sources.Unavailable, match="not a gzip file"):
        sources.unpack(content, 100)


def test_a_folder_of_pictures_and_its_entry_in_the_cache(
    bait: Bait, tmp_path: Path, ganbench: Command, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from bench.core.config import DATASETS
    from bench.evaluation.grids import sheet_of

    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "mine").mkdir()
    for index in range(12):
        (tmp_path / "mine" / f"{index}.png").write_bytes(sheet_of(torch.full((1, 1, 8, 8), 20 * index, dtype=torch.uint8)))
    name = f"folder:{tmp_path}/mine,size=8"
    before = DATASETS.get(name).split("train").data.clone()
    (entry,) = (path.parent for path in (tmp_path / "cache").rglob("images.npy"))
    for file in ("images.npy", "labels.npy"):
        path = entry / file
        size = path.stat().st_size
        path.write_bytes(bait.forms["npy"].ljust(size, b"\0")[: max(size, len(bait.forms["npy"]))])
    assert torch.equal(DATASETS.get(name).split("train").data, before)
    assert "are damaged" in caplog.text
    (tmp_path / "mine" / "0.png").write_bytes(bait.forms["pickle"])
    with pytest.raises(UserError) as error:
        DATASETS.get(name).split("train")
    assert one_line(error)


def test_extractors_and_reference_parts_in_the_cache(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    assets = ROOT / "bench" / "metrics" / "assets"
    for card, weights in ((None, content), (content, None), (content, content)):
        for name, planted in (("digits.json", card), ("digits.safetensors", weights)):
            (tmp_path / name).write_bytes((assets / name).read_bytes() if planted is None else planted)
        with pytest.raises(UserError, match=r"cannot be read|are damaged") as error:
            read_extractor(tmp_path / "digits.json", tmp_path / "digits.safetensors")
        assert one_line(error)

    def measure() -> dict[str, torch.Tensor]:
        return {"a": torch.arange(3)}

    metrics_cache.cached("digits", {}, ("a",), measure)
    (part,) = (tmp_path / "cache" / "references").glob("*.safetensors")
    part.write_bytes(content)
    assert torch.equal(metrics_cache.cached("digits", {}, ("a",), measure)["a"], torch.arange(3))
    assert "computing these statistics again" in caplog.text


def test_a_journal_of_trials(content: bytes, tmp_path: Path) -> None:
    from studies.kinds import open_storage

    path = tmp_path / "studies.journal"
    path.write_bytes(content)
    with pytest.raises(UserError, match="journal") as error:
        open_storage(str(path))
    assert one_line(error)
    assert path.read_bytes() == content


def test_trials_are_kept_where_optuna_unpickles_nothing(tmp_path: Path, bait: Bait) -> None:
    """Optuna unpickles the snapshots of a journal, and a journal in a file has no snapshots."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    from studies.kinds import open_storage

    assert not hasattr(JournalFileBackend, "load_snapshot")
    text = bait.forms["base64"].decode()
    study = optuna.create_study(storage=open_storage(str(tmp_path / "studies.journal")).optuna, study_name="s")
    study.set_user_attr("ganbench", text)
    study.ask().set_user_attr("worker", text)
    again = optuna.load_study(storage=open_storage(str(tmp_path / "studies.journal")).optuna, study_name="s")
    assert again.user_attrs["ganbench"] == again.trials[0].user_attrs["worker"] == text


def test_published_results(content: bytes, tmp_path: Path) -> None:
    from reports import baseline
    from reports.export import ABOUT, PROTOCOLS, RUNS

    for name in (ABOUT, RUNS, PROTOCOLS):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        baseline.read_baseline(tmp_path)
    assert one_line(error)
