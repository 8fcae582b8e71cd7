"""Tracking stores, their URIs, their creation, and their one-line errors."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import UNAUTHENTICATED

from bench.core.errors import UserError
from bench.tracking import store
from bench.tracking.client import Lookup


def test_the_default_is_a_file_in_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        store.create(f"sqlite:///{tmp_path}/no/such/folder/mlflow.db")


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database at all, but long enough to be read as one" * 50)
    with pytest.raises(UserError, match=r"mlflow\.db is not a SQLite database: move it away") as caught:
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
    code = f"from bench.tracking.client import Tracker; Tracker('sqlite:///{tmp_path}/mlflow.db', 'suite').start_parent('p', {{}})"
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


def test_an_empty_file_has_no_results_and_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.touch()
    with pytest.raises(UserError, match="no results at"):
        store.connect(f"sqlite:///{path}")
    assert path.stat().st_size == 0


def test_a_folder_in_the_place_of_the_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    for opened in (store.connect, store.create):
        with pytest.raises(UserError, match=r"mlflow\.db is not a file: move it away"):
            opened(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_truncated_database_is_one_line(tmp_path: Path, migrated_store: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(migrated_store.read_bytes()[:100_000])
    with pytest.raises(UserError, match="malformed") as caught:
        store.connect(f"sqlite:///{tmp_path}/mlflow.db")
    assert "SELECT" not in str(caught.value)


def test_a_database_that_cannot_be_opened_is_not_retried_for_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr(store, "_DATABASES", ("sqlite", "nonsense"))
    with pytest.raises(UserError, match=r"the tracking store nonsense://127.0.0.1:9/db cannot be opened"):
        store.create("nonsense://user:secret@127.0.0.1:9/db")
    assert not waited


@pytest.mark.parametrize(
    ("version", "problem", "advice"),
    [
        ("bd07f7e963c5", "has tables of an older MLflow", "`mlflow db upgrade sqlite:///{}`"),
        ("f" * 12, "does not know", "install the newer MLflow"),
    ],
)
def test_a_database_of_another_mlflow_version_is_refused_with_advice(
    version: str, problem: str, advice: str, uri: str, tmp_path: Path
) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    with pytest.raises(UserError, match=problem) as error:
        store.connect(uri)
    assert advice.format(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("form", ["{}", "file://{}", "./runs"])
def test_a_folder_of_files_is_refused_with_advice(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for call in (store.connect, store.create):
        with pytest.raises(UserError, match="is a folder, which MLflow no longer writes to: set MLFLOW_TRACKING_URI=sqlite:///"):
            call(form.format(tmp_path / "mlruns"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("uri", ["foo://bar", "://", "sqlalchemy+foo://x"])
def test_an_unknown_kind_of_store_is_refused(uri: str) -> None:
    with pytest.raises(UserError, match="is of an unknown kind: MLFLOW_TRACKING_URI takes sqlite:///PATH"):
        store.connect(uri)


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(UserError, match=r"needs the Python package 'psycopg2?': pip install it") as caught:
        store.connect("postgresql://user:secret@127.0.0.1:9/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:relative.db"])
def test_sqlite_without_a_file_is_refused(uri: str) -> None:
    with pytest.raises(UserError, match="names no file: write it as sqlite:///PATH"):
        store.tracking_uri(uri)


def test_the_error_of_the_system_is_quoted() -> None:
    with pytest.raises(UserError, match=r"http://127.0.0.1:9 does not answer: Connection refused$"):
        store.connect("http://127.0.0.1:9")


def test_an_error_after_opening_is_of_the_store_or_a_bug(uri: str) -> None:
    path = store.sqlite_path(uri)
    assert path is not None
    client = store.connect(uri)
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE runs")
    with pytest.raises(MlflowException) as caught:
        client.search_runs(["0"])
    line = store.error_line(caught.value)
    assert line is not None
    assert line.startswith(f"the tracking store {uri} fails: ")
    assert "runs" in line
    assert "SELECT" not in line
    assert store.error_line(ValueError("a bug")) is None
    assert store.error_line(MlflowException.invalid_parameter_value("a wrong call")) is None


@pytest.mark.slow
def test_a_store_whose_creation_was_killed_is_created_again(tmp_path: Path) -> None:
    """The next call creates the store after a kill during the creation of tables, or just before the file is renamed."""
    for moment in ("alembic.command.upgrade", "pathlib.Path.replace"):
        kill = f"import os, unittest.mock as m; m.patch({moment!r}, lambda *_: os.kill(os.getpid(), 9)).start()"
        script = f"from bench.tracking import store; import alembic.command; {kill}; store.create({f'sqlite:///{tmp_path}/mlflow.db'!r})"
        assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == -9
        assert not (tmp_path / "mlflow.db").exists()
    assert store.create(f"sqlite:///{tmp_path}/mlflow.db").search_experiments()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    assert not Lookup.of(f"sqlite:///{tmp_path}/mlflow.db", "smoke").newest_parent("study")
    assert store.create(f"sqlite:///{tmp_path}/mlflow.db").search_experiments()


@pytest.mark.parametrize(
    ("uri", "quoted"),
    [
        ("http://anna:s3cret@host:5000", "http://host:5000"),
        ("http://anna:s3@cret?@host:5000/", "http://host:5000/"),
        ("postgresql://host/db?user=anna&password=s3cret", "postgresql://host/db"),
        ("sqlite:////a/mlflow.db", "sqlite:////a/mlflow.db"),
    ],
)
def test_a_uri_is_quoted_without_user_and_password(uri: str, quoted: str) -> None:
    assert store.redacted(uri) == quoted
    assert store.without_secrets(f"no way to {uri}/api", uri) == f"no way to {quoted}/api"


def test_a_driver_that_rewrites_the_uri_reveals_no_password() -> None:
    text = store.without_secrets("no way to postgresql+psycopg://anna:s3cret@host/db", "postgresql://anna:s3cret@host/db?connect_timeout=3")
    assert text == "no way to postgresql+psycopg://host/db"


def test_a_server_that_needs_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (store.USER, store.PASSWORD):
        monkeypatch.delenv(name, raising=False)
    error = MlflowException("API request failed with error code 401", error_code=UNAUTHENTICATED)
    assert store.failure_line(error, "http://h") == (
        "the tracking store http://h asks for a user and a password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    )
    refused = "the tracking store http://h refuses the user or the password of MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; correct them"
    assert (
        store.failure_line(error, "http://anna:s3cret@h")
        == "the tracking store http://h refuses the user or the password in MLFLOW_TRACKING_URI; correct them"
    )
    monkeypatch.setenv(store.USER, "anna")
    assert store.failure_line(error, "http://h") == refused
    assert store.plain_error(error, "http://h") == "it refuses the user or the password"
