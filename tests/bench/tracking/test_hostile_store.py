"""Names from a hostile tracking store. None leads out of the chosen folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import small

from bench.core import config, text
from bench.core.errors import UserError
from bench.core.text import stays_inside
from bench.tracking import results, store
from bench.tracking.artifacts import Artifacts
from bench.tracking.client import Lookup, Tracker
from bench.tracking.earlier_outbox import convert
from bench.tracking.journal import DamagedJournal, RunJournal, digest_of
from bench.tracking.pages import checked
from bench.tracking.results import find_run, load

Command = Callable[..., tuple[int, str, str]]
OUTWARD = [
    "../x", "../../x", "/etc/x", "//host/x", "a/../../x", "..", "a\0b", "..\\x", "a\\..\\..\\x", "C:\\x", "C:x", "\\\\host\\x", "\\x", "",
]  # fmt: skip
INWARD = ["x", "grids/final.png", "grids/step_000000009.png", "a.b/c-d", "..a", "a..", "a/..b", "å/漢.png", "nul", "con.png"]
ODD = ["../../x", "/etc/x", "C:\\x", "..", "x" * 5000, "$(touch x)", "\u202egnp.x"]


@pytest.mark.parametrize("path", OUTWARD)
def test_paths_that_leave_the_folder(path: str) -> None:
    assert not stays_inside(path)


@pytest.mark.parametrize("path", INWARD)
def test_paths_that_stay_in_the_folder(path: str) -> None:
    assert stays_inside(path)


class HostileClient:
    """Fake client of a remote store that lists given artifacts and returns a file for any name."""

    def __init__(self, listed: list[str]) -> None:
        self._listed = listed
        self.downloads: list[str] = []

    def list_artifacts(self, run_id: str, folder: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(path=path, is_dir=False) for path in self._listed]

    def download_artifacts(self, run_id: str, path: str, folder: str) -> str:
        self.downloads.append(path)
        (Path(folder) / path).write_text("overwritten")
        return str(Path(folder) / path)


def test_artifacts_of_a_hostile_store(tmp_path: Path) -> None:
    (tmp_path / "mine.png").write_text("mine")
    listed = [*OUTWARD, str(tmp_path / "mine.png"), "other/final.png", "grids/deeper/final.png", "grids/final.png"]
    client = HostileClient(listed)
    found = Artifacts(client, {"r": "mlflow-artifacts:/1/r/artifacts"})
    assert found.names("r", "grids") == ["grids/final.png"]
    for path in listed[:-1]:
        if not stays_inside(path):
            assert found.get("r", path) is None
    assert client.downloads == []
    assert found.get("r", "grids/final.png") is not None
    assert (tmp_path / "mine.png").read_text() == "mine"


@pytest.mark.parametrize("path", [path for path in OUTWARD if path])
def test_artifacts_of_local_files(path: str, tmp_path: Path) -> None:
    (tmp_path / "store" / "a").mkdir(parents=True)
    (tmp_path / "x").write_text("mine")
    assert Artifacts(None, {"r": str(tmp_path / "store")}).get("r", path) is None


def run_named(run_id: str) -> Any:
    return SimpleNamespace(
        info=SimpleNamespace(run_id=run_id, start_time=0, lifecycle_stage="active"), data=SimpleNamespace(tags={}, metrics={}, params={})
    )


@pytest.mark.parametrize("run_id", [*OUTWARD, *ODD, " ", ".", "-rf", "~", "a/b", "a\tb", "a.b"])
def test_ids_of_runs(run_id: str) -> None:
    with pytest.raises(UserError, match="which is not a valid id") as error:
        checked(run_named(run_id))
    assert len(str(error.value).splitlines()) == 1


def test_a_store_with_false_ids_writes_nothing(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.store.entities import PagedList

    tracker = Tracker(uri, "small")
    before = sorted(tmp_path.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_run", lambda *_, **__: run_named("../../../escaped"))
        with pytest.raises(UserError, match="not a valid id"):
            tracker.start_run("x", {"variant": "dcgan"}, {}, folder=tmp_path / "runs" / "f")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "search_runs", lambda *_, **__: PagedList([run_named("../escaped")], None))
        for ask in (
            lambda: Lookup.of(uri, "small").find("0" * 16),
            lambda: load(uri, ("small",)),
            lambda: find_run(tracker.client, "abcdef"),
        ):
            with pytest.raises(UserError, match="not a valid id"):
                ask()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("path", OUTWARD)
@pytest.mark.parametrize("name", ["artifacts", "run_id"])
def test_journals(name: str, path: str, tmp_path: Path) -> None:
    state = {"run_id": "r", name: path if name == "run_id" else {path: ""}}
    (tmp_path / "end-r.json").write_text(json.dumps({"journal": state, "sha256": digest_of(state)}))
    with pytest.raises(DamagedJournal, match="is damaged"):
        RunJournal.read(tmp_path / "end-r.json")


@pytest.mark.parametrize("path", OUTWARD)
def test_outboxes_of_an_earlier_version(path: str, tmp_path: Path) -> None:
    outbox = tmp_path / "f" / "outbox" / "r"
    outbox.mkdir(parents=True)
    written = {"kind": "artifact", "run_id": "r", "name": "n", "uri": "u", "body": {"path": path}, "artifact_sha256": ""}
    (outbox / "00000001.json").write_text(json.dumps({"entry": written, "sha256": digest_of(written)}))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DamagedJournal, match="is damaged"):
        convert(outbox)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture(scope="module")
def recorded(finished_suites: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store that has one finished run."""
    folder = tmp_path_factory.mktemp("recorded")
    small.copy(finished_suites(1), folder)
    return folder


def the_run(uri: str) -> str:
    return str(load(uri, ("small",)).runs.query("kind == 'run'")["run_id"].item())


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD)
def test_a_report_of_odd_names_stays_in_its_folder(
    odd: str, recorded: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{recorded}/mlflow.db"
    client, run_id = store.connect(uri), the_run(uri)
    tags = {key: client.get_run(run_id).data.tags[key] for key in ("variant", "suite", "dataset", "note", "track", "headline")}
    here = tmp_path / "a" / "b" / "c"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    try:
        for key in tags:
            client.set_tag(run_id, key, odd)
        status, _, err = command("report", "--runs", run_id, "--csv", "tidy", "--latex", "table.tex")
        assert "Traceback" not in err
        assert status == 0, err
    finally:
        for key, value in tags.items():
            client.set_tag(run_id, key, value)
    written = {path.parts[0] for path in (path.relative_to(here) for path in here.rglob("*"))}
    assert written == {"build", "tidy", "table.tex"}
    (page,) = (here / "build" / "report").glob("**/index.html")
    assert page.parent.parent == here / "build" / "report"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert [path.name for path in here.parent.iterdir()] == ["c"]


@pytest.mark.slow
def test_links_in_the_folder_of_a_report_are_not_followed(
    recorded: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "mine").write_text("mine")
    names_ = ("page/index.html", "page/report.md", "table.tex", "x.png")
    for name in names_:
        (tmp_path / name).symlink_to(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{recorded}/mlflow.db")
    assert command("report", "--suite", "small", "--out", "page", "--latex", "table.tex")[0] == 0
    assert command("sample", the_run(f"sqlite:///{recorded}/mlflow.db"), "--n", "4", "--out", "x.png")[0] == 2
    assert (tmp_path / "x.png").is_symlink()
    assert command("sample", the_run(f"sqlite:///{recorded}/mlflow.db"), "--n", "4", "--out", "x.png", "--force")[0] == 0
    assert (tmp_path / "mine").read_text() == "mine"
    assert not any((tmp_path / name).is_symlink() for name in names_)


def test_a_list_of_pictures_that_names_others(recorded: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report removes pictures of an earlier report in its own folder only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{recorded}/mlflow.db")
    (tmp_path / "mine.png").write_text("mine")
    (tmp_path / "page" / "report_files").mkdir(parents=True)
    (tmp_path / "page" / "report_files" / "written.txt").write_text(f"../../mine.png\n{tmp_path}/mine.png\n..\n")
    assert command("report", "--suite", "small", "--out", "page")[0] == 0
    assert (tmp_path / "mine.png").read_text() == "mine"


@pytest.mark.parametrize("field", ["variant", "networks", "dataset"])
def test_a_configuration_that_names_code(
    field: str, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """Modules in the working folder and in folders of runs are not imported."""
    work = tmp_path / "work"
    shutil.copytree(recorded, work)
    uri = f"sqlite:///{recorded}/mlflow.db"
    run_id = the_run(uri)
    path = load(uri, ("small",)).artifact(run_id, results.CONFIG)
    assert path is not None
    before = path.read_bytes()
    data = path.with_name(results.DATA)
    recorded_data = data.read_bytes()
    data.unlink()  # so that the dataset is needed
    code = f"from pathlib import Path\nPath({str(tmp_path / 'marker')!r}).touch()\nOBJECT = None\n"
    for folder in (work, work / "runs", path.parent):
        (folder / "planted_module.py").write_text(code)
    monkeypatch.chdir(work)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    path.write_text(json.dumps({**json.loads(before), field: "planted_module:OBJECT"}))
    try:
        status, _, err = command("sample", run_id, "--out", "x.png")
    finally:
        path.write_bytes(before)
        data.write_bytes(recorded_data)
        (path.parent / "planted_module.py").unlink()
    assert status == 2
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "marker").exists()


@pytest.mark.slow
@pytest.mark.parametrize("fingerprint", ["../../escaped", "/etc", "", "0" * 15, "G" * 16, "0" * 17])
def test_the_fingerprint_of_a_run_to_extend(fingerprint: str, uri: str, tmp_path: Path) -> None:
    small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan")
    store.connect(uri).set_tag(the_run(uri), "fingerprint", fingerprint)
    with pytest.raises(UserError, match="has no finished run at a smaller budget"):
        small.execute(uri, tmp_path / "runs", seeds=1, only="dcgan", extend=True, settings={"budget.images": 960})


def test_a_store_cannot_choose_the_folder_of_checkpoints(uri: str, tmp_path: Path) -> None:
    """The name of the folder is a hash, for any names of dataset, variant and settings."""
    given = small.config()
    for digest in ("../../x", "/etc", "a\0b"):
        assert config.short_hash({"x": digest}).isalnum()
        assert text.stays_inside(given.fingerprint(data_digest=digest))
        assert len(given.fingerprint(data_digest=digest)) == 16
    context = replace(small.context(uri, tmp_path / "runs"), name="../../escaped")
    from bench.runs.runner import run

    assert run(given, context).status == "finished"
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock", "mlruns", "runs"}
    (folder,) = (tmp_path / "runs").glob("*/")
    assert len(folder.name) == 16
