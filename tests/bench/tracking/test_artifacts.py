"""Local and remote artifacts. Downloaded files are deleted with the object that downloaded them."""

from __future__ import annotations

import errno
import gc
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from requests import HTTPError, Response
from serving import end, free_port, serving

from bench.core.config import Evaluation
from bench.core.errors import UserError
from bench.evaluation.generator import load_generator
from bench.runs.rescoring import score
from bench.tracking import results, store
from bench.tracking.artifacts import Artifacts, ArtifactStoreError
from bench.tracking.client import Tracker
from bench.tracking.results import load
from reports.build import build, write


class Remote:
    """Fake client of a store with remote artifacts. It copies them, and records the downloads."""

    tracking_uri = "http://user:secret@host:5000"

    def __init__(self, roots: dict[str, Path]) -> None:
        self.roots = roots
        self.downloads: list[str] = []
        self.broken: tuple[str, ...] = ()  # calls that fail: "download", "list"

    def download_artifacts(self, run_id: str, path: str, folder: str) -> str:
        self.downloads.append(path)
        target = Path(folder) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if "download" in self.broken:
            target.write_bytes((self.roots[run_id] / path).read_bytes()[:1])  # an incomplete download
            raise ConnectionError("502 Bad Gateway")
        return str(shutil.copy(self.roots[run_id] / path, target))

    def list_artifacts(self, run_id: str, folder: str) -> list[SimpleNamespace]:
        if "list" in self.broken:
            raise ConnectionError("502 Bad Gateway")
        files = (self.roots[run_id] / folder).glob("*")  # no files for a missing folder, as with MLflow's clients
        return [SimpleNamespace(path=str(PurePosixPath(folder) / file.name), is_dir=file.is_dir()) for file in files]


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


def test_remote_artifacts_are_downloaded_once(root: Path) -> None:
    client, found = remote(root)
    assert found.read_json("r", "a.json") == {"a": 1}
    assert found.read_json("r", "a.json") == {"a": 1}
    assert client.downloads == ["a.json"]
    assert found.read_json("r", "list.json") is None
    assert found.get("r", "nothing") is None
    assert found.names("r", "grids") == ["grids/a.png", "grids/b.png"]
    assert found.names("r", "nothing") == []


def test_downloaded_files_are_deleted_with_their_owner(root: Path) -> None:
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


@pytest.mark.parametrize("broken", [("download",), ("list",), ("download", "list")])
def test_a_store_that_answers_with_an_error_is_an_error_that_names_it(root: Path, broken: tuple[str, ...]) -> None:
    client, found = remote(root)
    client.broken = broken
    calls: dict[str, Callable[[], object]] = {
        "download": lambda: found.read_json("r", "a.json"),
        "list": lambda: found.names("r", "grids"),
    }
    for what in broken:
        with pytest.raises(ArtifactStoreError, match="502 Bad Gateway") as error:
            calls[what]()
        assert "mlflow-artifacts:/1/r/artifacts at http://host:5000" in str(error.value)
        assert "secret" not in str(error.value)
        assert len(str(error.value).splitlines()) == 1
    client.broken = ()
    assert found.read("r", "a.json") == b'{"a": 1}'  # not the incomplete download


def test_a_missing_artifact_is_none_whatever_the_client_raises(root: Path) -> None:
    client, found = remote(root)
    for error in (OSError("404"), MlflowException("missing", RESOURCE_DOES_NOT_EXIST), ValueError("?")):

        def missing(*_: object, error: Exception = error) -> str:
            raise error

        client.download_artifacts = missing  # type: ignore[method-assign]
        assert (found.get("r", "no.json"), found.read("r", "grids/no.png"), found.read_json("r", "no/no.json")) == (None, None, None)


def test_a_folder_that_does_not_exist_in_the_store_has_no_names(root: Path) -> None:
    client, found = remote(root)
    for error in (MlflowException("missing", RESOURCE_DOES_NOT_EXIST), HTTPError("404", response=Response())):

        def missing(*_: object, error: Exception = error) -> list[SimpleNamespace]:
            raise error

        if isinstance(error, HTTPError):
            error.response.status_code = 404
        client.list_artifacts = missing  # type: ignore[method-assign]
        assert found.names("r", "grids") == []


def test_a_local_file_without_permission_is_not_a_missing_one(root: Path) -> None:
    found = Artifacts(None, {"r": str(root)})
    for name in ("loop.json", "loop"):
        (root / name).symlink_to(root / name)  # a loop of links, which raises OSError
    for call in (lambda: found.get("r", "loop.json"), lambda: found.read_json("r", "loop/a.json"), lambda: found.names("r", "loop")):
        with pytest.raises(ArtifactStoreError, match="loop"):
            call()


def test_a_local_file_that_cannot_be_read_is_not_a_missing_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_bytes(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(ArtifactStoreError, match=r"a\.json of the run r cannot be read: Permission denied"):
        Artifacts(None, {"r": str(root)}).read_json("r", "a.json")


@pytest.mark.parametrize("path", [results.PROTOCOL, results.CURVES])
def test_results_are_not_loaded_if_the_store_cannot_read_an_artifact(uri: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Tracker(uri, "one").start_run("r", {"kind": "run", "suite": "one", "dataset": "digits", "variant": "dcgan"}, {})
    log.json(results.PROTOCOL, {"metrics": {}})
    log.finish("finished")
    monkeypatch.setattr("bench.tracking.artifacts._is_local", lambda uri: False)
    assert len(load(uri, ("one",)).runs) == 1
    download = MlflowClient.download_artifacts

    def broken(client: MlflowClient, run_id: str, name: str, folder: str) -> str:
        if name == path:
            raise ConnectionError("502 Bad Gateway")
        return str(download(client, run_id, name, folder))

    monkeypatch.setattr(MlflowClient, "download_artifacts", broken)
    with pytest.raises(UserError, match="502 Bad Gateway"):
        load(uri, ("one",))


@pytest.mark.slow  # starts an MLflow server
def test_a_server_distinguishes_a_missing_artifact_from_an_unreadable_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    port = free_port()
    with serving(tmp_path, port) as server:
        client = store.create(f"http://127.0.0.1:{port}")
        run = client.create_run(client.create_experiment("one"))
        client.log_text(run.info.run_id, "b", "grids/b.png")
        found = Artifacts(client, {run.info.run_id: run.info.artifact_uri})
        assert (found.get(run.info.run_id, "no.json"), found.get(run.info.run_id, "grids/no.png")) == (None, None)
        assert (found.names(run.info.run_id, "grids"), found.names(run.info.run_id, "no")) == (["grids/b.png"], [])
        end(server)
        for call in (lambda: found.get(run.info.run_id, "grids/b.png"), lambda: found.names(run.info.run_id, "grids")):
            with pytest.raises(ArtifactStoreError, match=f"mlflow-artifacts:.* at http://127.0.0.1:{port} fails"):
                call()


def test_json_too_deep_to_read_is_none(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "a.json").write_text("[" * 100_000)
    assert Artifacts(None, {"r": str(root)}).read_json("r", "a.json") is None
    assert "a.json of run r cannot be read" in caplog.text


@pytest.mark.slow
def test_a_store_without_local_files_is_reported_scored_and_sampled(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path, executed: Callable[..., None]
) -> None:
    executed()
    before = load(uri, ("small",))
    run_id = before.runs.query("kind == 'run'")["run_id"].item()
    images = load_generator(run_id, uri).sample(4)
    values = before.runs.set_index("run_id").loc[run_id, "quality/fid_classifier"]

    fetched: list[str] = []
    monkeypatch.setattr("bench.tracking.artifacts._is_local", lambda uri: False)
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
    assert score(run_id, uri, Evaluation()).values["quality/fid_classifier"] == values
    assert {results.CONFIG, results.WEIGHTS, results.CURVES, results.FINAL_GRID} <= set(fetched)
