"""Artifacts wherever they are: in place, or downloaded once and deleted with whoever asked for them."""

from __future__ import annotations

import gc
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import small
import torch

from bench import results, store
from bench.artifacts import Artifacts
from bench.load import load_generator
from bench.results import load
from bench.score import score
from reports.build import build, write


class Remote:
    """A client of a store whose artifacts are no local files: it copies them, and counts."""

    def __init__(self, roots: dict[str, Path]) -> None:
        self.roots = roots
        self.downloads: list[str] = []

    def download_artifacts(self, run_id: str, path: str, folder: str) -> str:
        self.downloads.append(path)
        target = Path(folder) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return str(shutil.copy(self.roots[run_id] / path, target))

    def list_artifacts(self, run_id: str, folder: str) -> list[SimpleNamespace]:
        files = (self.roots[run_id] / folder).iterdir()
        return [SimpleNamespace(path=f"{folder}/{file.name}", is_dir=file.is_dir()) for file in files]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "store" / "grids").mkdir(parents=True)
    for path, content in {"a.json": '{"a": 1}', "list.json": "[]", "grids/b.png": "b", "grids/a.png": "a"}.items():
        (tmp_path / "store" / path).write_text(content)
    return tmp_path / "store"


def remote(root: Path) -> tuple[Remote, Artifacts]:
    client = Remote({"r": root})
    return client, Artifacts(client, {"r": "mlflow-artifacts:/1/r/artifacts"})


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_local_files_are_read_in_place(root: Path, form: str) -> None:
    found = Artifacts(None, {"r": form.format(root)})
    assert found.get("r", "a.json") == root / "a.json"
    assert found.names("r", "grids") == ["grids/a.png", "grids/b.png"]
    assert (found.get("r", "nothing"), found.get("other", "a.json"), found.names("other", "grids")) == (None, None, [])


def test_others_are_downloaded_once(root: Path) -> None:
    client, found = remote(root)
    assert found.read_json("r", "a.json") == {"a": 1}
    assert found.read_json("r", "a.json") == {"a": 1}
    assert client.downloads == ["a.json"]
    assert found.read_json("r", "list.json") is None
    assert found.get("r", "nothing") is None
    assert found.names("r", "grids") == ["grids/a.png", "grids/b.png"]
    assert found.names("r", "nothing") == []


def test_what_was_downloaded_goes_with_its_owner(root: Path) -> None:
    _, found = remote(root)
    path = found.get("r", "grids/a.png")
    assert path is not None
    assert path.read_text() == "a"
    folder = path.parents[2]
    assert folder.name.startswith("ganbench-artifacts-")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        del found
        gc.collect()
    assert not folder.exists()
    assert not [one for one in warned if "ganbench-artifacts-" in str(one.message)]


def test_json_too_deep_to_read_is_none(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "a.json").write_text("[" * 100_000)
    assert Artifacts(None, {"r": str(root)}).read_json("r", "a.json") is None
    assert "a.json of run r cannot be read" in caplog.text


def test_a_store_without_local_files_is_reported_scored_and_sampled(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan")
    before = load(uri, ("small",))
    run_id = before.runs.query("kind == 'run'")["run_id"].item()
    images = load_generator(run_id, uri).sample(4)
    values = before.runs.set_index("run_id").loc[run_id, "quality/fid_classifier"]

    fetched: list[str] = []
    monkeypatch.setattr("bench.artifacts._is_local", lambda uri: False)
    download = store.connect(uri).__class__.download_artifacts
    monkeypatch.setattr(
        "mlflow.MlflowClient.download_artifacts",
        lambda client, run, path, folder: fetched.append(path) or download(client, run, path, folder),
    )
    assert torch.equal(load_generator(run_id, uri).sample(4), images)
    after = load(uri, ("small",))
    page = write(build(after, title="t"), tmp_path / "report").read_text(encoding="utf-8")
    assert page.count("data:image/png") >= 2
    assert after.curves.equals(before.curves)
    assert score(run_id, uri, {}).values["quality/fid_classifier"] == values
    assert {results.CONFIG, results.WEIGHTS, results.CURVES, results.FINAL_GRID} <= set(fetched)
