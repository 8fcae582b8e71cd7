"""Tracking stores: absolute, created once, and clear errors where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import store
from bench.errors import UserError


def test_the_default_is_a_file_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert store.tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    assert store.tracking_uri() == "http://localhost:5000"
    assert store.tracking_uri("sqlite:////abs/x.db") == "sqlite:////abs/x.db"


def test_connect_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results at .*run `make bench` first"):
        store.connect(f"sqlite:///{tmp_path}/none.db")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        store.create(f"sqlite:///{tmp_path}/no/such/folder/mlflow.db")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database at all, but long enough to be read as one" * 50)
    with pytest.raises(UserError, match=r"cannot be opened|does not answer") as caught:
        store.connect(f"sqlite:///{tmp_path}/mlflow.db")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "http://user:secret@127.0.0.1:9", "nonsense://x", "file:///tmp/somewhere"])
def test_a_store_that_does_not_answer_is_one_line_without_secrets(uri: str) -> None:
    with pytest.raises(UserError, match="the tracking store") as caught:
        store.create(uri)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_four_processes_create_one_new_store(tmp_path: Path) -> None:
    code = f"from bench.tracking import Tracker; Tracker('sqlite:///{tmp_path}/mlflow.db', 'suite').start_parent('p', {{}})"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait(timeout=180) for process in processes] == [0, 0, 0, 0]
    client = store.connect(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("suite")
    assert len(client.search_runs([experiment.experiment_id])) == 4


@pytest.mark.parametrize("name", ["qu?estion", "pct%41"])
def test_a_folder_that_a_uri_cannot_name_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="choose another folder"):
        store.tracking_uri()
