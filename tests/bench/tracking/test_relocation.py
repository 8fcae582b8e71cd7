"""Stores in a folder that was moved, renamed, copied or linked. Artifacts are read and written beside the database."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import small

from bench.cli.ui import served_uri
from bench.core.errors import UserError
from bench.evaluation.generator import load_generator
from bench.runs.pending_writes import deliver_pending
from bench.runs.runner import run
from bench.tracking import relocation, results, store
from bench.tracking.client import Tracker

Project = Callable[..., Path]
TAGS = {"kind": "run", "variant": "dcgan", "dataset": "digits", "seed": "3", "fingerprint": "abc", "suite": "small", "curve_protocol": "p"}


@pytest.fixture
def project(migrated_store: Path, tmp_path: Path) -> Project:
    """Return a function that creates a folder with a store and finished runs, each with its id as an artifact."""

    def make(*experiments: str, folder: str = "a", database: str = "mlflow.db") -> Path:
        created = tmp_path / folder
        created.mkdir()
        shutil.copy(migrated_store, created / database)
        for experiment in experiments or ("small",):
            add_run(created, experiment, database)
        return created

    return make


def uri_of(folder: Path, database: str = "mlflow.db") -> str:
    return f"sqlite:///{folder / database}"


def add_run(folder: Path, experiment: str = "small", database: str = "mlflow.db") -> str:
    log = Tracker(uri_of(folder, database), experiment).start_run("r", TAGS, {})
    log.artifact("config.json", b'{"id": "%s"}' % log.run_id.encode())
    log.finish("finished")
    return log.run_id


def read(folder: Path, experiment: str = "small", database: str = "mlflow.db") -> list[Path]:
    """Return the artifacts of all runs of an experiment, after a check that each has the id of its run."""
    found = results.load(uri_of(folder, database), (experiment,))
    paths = []
    for run_id in found.runs["run_id"]:
        assert found.read_json(run_id, "config.json") == {"id": run_id}
        paths.append(found.artifact(run_id, "config.json"))
    return [path for path in paths if path is not None]


def locations(database: Path) -> list[str]:
    """Return all locations in a database but that of MLflow's default experiment."""
    with closing(sqlite3.connect(database)) as connection:
        experiments = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id <> 0").fetchall()
        return sorted(row[0] for row in [*experiments, *connection.execute("SELECT artifact_uri FROM runs")])


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files in a folder but locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_moved_folder_keeps_its_artifacts_and_new_ones_join_them(project: Project, tmp_path: Path) -> None:
    before = project("small", "other")
    here = before.rename(tmp_path / "b")
    assert [path.is_relative_to(here / "mlruns" / "small") for path in read(here)] == [True]
    add_run(here)
    assert len(read(here)) == 2
    assert len(read(here, "other")) == 1
    assert not before.exists()
    assert all(location.startswith(f"{here.as_uri()}/mlruns/") for location in locations(here / "mlflow.db"))


def test_a_copy_neither_reads_nor_writes_its_original(project: Project, tmp_path: Path) -> None:
    original = project()
    copy = shutil.copytree(original, tmp_path / "copy")
    run_id = read(copy)[0].parent.parent.name
    untouched = contents(original)
    shutil.rmtree(copy / "mlruns" / "small" / run_id)
    assert results.load(uri_of(copy), ("small",)).artifact(run_id, "config.json") is None
    store.connect(uri_of(copy)).log_artifact(run_id, __file__, "late")
    assert (copy / "mlruns" / "small" / run_id / "artifacts" / "late" / Path(__file__).name).is_file()
    add_run(copy)
    assert contents(original) == untouched


def test_an_experiment_without_any_artifact_is_moved_too(project: Project, tmp_path: Path) -> None:
    """The copy of a store writes an experiment without artifacts to its own folder, and not to the original."""
    original = project()
    shutil.rmtree(original / "mlruns")
    Tracker(uri_of(original), "early").start_run("r", TAGS, {})
    copy = shutil.copytree(original, tmp_path / "copy")
    untouched = contents(original)
    add_run(copy, "early")
    assert contents(original) == untouched


def test_names_with_odd_characters(project: Project, tmp_path: Path) -> None:
    names = ("with space", "größe 漢字", "per%41cent", "hash#mark", "que?stion", "dots..", "a'b\"c", "plus+and&", "nested/name")
    here = project(*names, folder="old place ä").rename(tmp_path / "new place ö #1")
    for name in names:
        assert len(read(here, name.replace("?", "[?]"))) == 1
    add_run(here, names[3])
    assert len(read(here, names[3])) == 2
    assert not (tmp_path / "old place ä").exists()


def test_renamed_and_deleted_experiments_move_with_the_others(project: Project, tmp_path: Path) -> None:
    before = project("small", "renamed", "deleted")
    client = store.connect(uri_of(before))
    client.rename_experiment(client.get_experiment_by_name("renamed").experiment_id, "another")
    client.delete_experiment(client.get_experiment_by_name("deleted").experiment_id)
    here = before.rename(tmp_path / "b")
    assert len(read(here, "another")) == 1
    client = store.connect(uri_of(here))
    client.restore_experiment(client.get_experiment_by_name("deleted").experiment_id)
    assert len(read(here, "deleted")) == 1


def test_a_database_of_another_name(project: Project, tmp_path: Path) -> None:
    here = project(database="results.sqlite").rename(tmp_path / "b")
    assert len(read(here, database="results.sqlite")) == 1
    assert (here / "results.sqlite.before-move").is_file()


def test_a_symbolic_link_is_the_folder_itself(project: Project, tmp_path: Path) -> None:
    real = project().rename(tmp_path / "real")
    link = tmp_path / "link"
    link.symlink_to(real)
    assert len(read(link)) == 1
    database = (real / "mlflow.db").read_bytes()
    for folder in (real, link):
        assert len(read(folder)) == 1
    assert (real / "mlflow.db").read_bytes() == database
    add_run(link)
    assert len(read(real)) == 2
    assert store.tracking_uri(uri_of(link)) == uri_of(real)


def test_other_locations_are_not_changed(project: Project, tmp_path: Path) -> None:
    chosen = [
        "s3://bucket/mlruns/chosen-0", "mlflow-artifacts:/1", "file:///elsewhere/artifacts", "/elsewhere/mlruns/chosen-3",
        "file:///elsewhere/mlruns/chosen-4", "file://host/old/mlruns/small", "mlruns/small",
    ]  # fmt: skip
    before = project()
    with closing(sqlite3.connect(before / "mlflow.db")) as connection, connection:
        for number, location in enumerate(chosen):
            words = "INSERT INTO experiments (name, artifact_location, lifecycle_stage, workspace) VALUES (?, ?, 'active', 'default')"
            connection.execute(words, (f"chosen-{number}", location))
    here = before.rename(tmp_path / "b")
    assert len(read(here)) == 1
    assert set(locations(here / "mlflow.db")) >= {*chosen, f"{here.as_uri()}/mlruns/small"}


def test_a_database_that_was_moved_without_its_artifacts_still_finds_them(project: Project, tmp_path: Path) -> None:
    before = project()
    (tmp_path / "b").mkdir()
    (before / "mlflow.db").rename(tmp_path / "b" / "mlflow.db")
    (found,) = read(tmp_path / "b")
    assert found.is_relative_to(before)
    assert not (tmp_path / "b" / "mlflow.db.before-move").exists()


def test_a_read_only_store_is_resolved_and_not_changed(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = project()
    copy = shutil.copytree(original, tmp_path / "copy")
    shutil.rmtree(original)
    unchanged = contents(copy)
    monkeypatch.setattr(store, "is_writable", lambda path: False)
    (found,) = read(copy)
    assert found.is_relative_to(copy)
    assert contents(copy) == unchanged


def test_only_a_move_makes_a_backup_and_one_is_kept(project: Project, tmp_path: Path) -> None:
    folder = project()
    read(folder)
    assert not list(folder.glob("*before-move*"))
    expected = locations(folder / "mlflow.db")
    for name in ("b", "c"):
        folder = folder.rename(tmp_path / name)
        read(folder)
        (backup,) = folder.glob("*before-move*")
        assert locations(backup) == expected
        expected, written = locations(folder / "mlflow.db"), backup.stat().st_mtime_ns
        read(folder)
        add_run(folder)
        expected = locations(folder / "mlflow.db")
        assert backup.stat().st_mtime_ns == written


def test_a_crash_in_the_middle_changes_nothing(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = project("small", "other").rename(tmp_path / "b")
    before = locations(here / "mlflow.db")
    locate = relocation.Moves.locate
    calls = []

    def crash(moves: relocation.Moves, uri: str) -> str:
        calls.append(uri)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return locate(moves, uri)

    with monkeypatch.context() as patch:
        patch.setattr(relocation.Moves, "locate", crash)
        with pytest.raises(KeyboardInterrupt):
            store.connect(uri_of(here))
    assert locations(here / "mlflow.db") == before
    assert len(read(here)) == 1
    assert locations(here / "mlflow.db") != before


def test_two_processes_that_open_a_moved_store_at_once(project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = project().rename(tmp_path / "b")
    ready = threading.Barrier(4)

    def opening() -> None:
        ready.wait()
        relocation.relocate(here / "mlflow.db")

    threads = [threading.Thread(target=opening) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(location.startswith(here.as_uri()) for location in locations(here / "mlflow.db"))
    assert caplog.text.count("has been moved or copied") == 1


def test_a_disk_without_space_for_a_backup_leaves_the_database_unchanged(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = project().rename(tmp_path / "b")
    before = locations(here / "mlflow.db")

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(relocation, "_back_up", full)
        assert len(read(here)) == 1
        run_id = add_run(here)
    assert "No space left on device" in caplog.text
    assert set(before) <= set(locations(here / "mlflow.db"))
    assert (here / "mlruns" / "small" / run_id / "artifacts" / "config.json").is_file()
    assert not (tmp_path / "a").exists()
    assert len(read(here)) == 2


def test_artifacts_are_written_beside_the_database_whatever_path_is_recorded(project: Project, tmp_path: Path) -> None:
    """Artifacts are beside the database, although a container and its host record different paths of the folder."""
    here = project()
    tracker = Tracker(uri_of(here), "small")
    with closing(sqlite3.connect(here / "mlflow.db")) as connection, connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(here), str(tmp_path / "host")))
    log = tracker.start_run("r", TAGS, {})
    log.artifact("config.json", b"{}")
    assert (here / "mlruns" / "small" / log.run_id / "artifacts" / "config.json").is_file()
    assert not (tmp_path / "host").exists()


def test_missing_artifacts_are_named(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    here = project()
    run_ids = [add_run(here), add_run(here)]
    for run_id in run_ids:
        shutil.rmtree(here / "mlruns" / "small" / run_id)
    results.load(uri_of(here), ("small",))
    (line,) = caplog.messages
    assert "2 runs" in line
    assert str(here / "mlruns" / "small") in line
    with pytest.raises(UserError, match=str(here / "mlruns" / "small" / run_ids[0])):
        load_generator(run_ids[0], uri_of(here))


def test_artifacts_that_were_written_to_the_old_folder_after_a_move_are_named(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A log line names the old folder, where earlier versions wrote artifacts after a move."""
    before = project()
    stray = add_run(before)
    here = before.rename(tmp_path / "b")
    (before / "mlruns" / "small").mkdir(parents=True)
    (here / "mlruns" / "small" / stray).rename(before / "mlruns" / "small" / stray)
    store.connect(uri_of(here))
    line = next(line for line in caplog.messages if "1 run are in" in line)
    assert str(before / "mlruns" / "small") in line
    assert str(here / "mlruns" / "small") in line


def test_a_stopped_run_resumes_in_the_moved_folder(project: Project, tmp_path: Path) -> None:
    before = project("other")
    config = small.config(**{"budget.images": 1280})
    calls = iter(range(10**6))
    stopped = run(config, small.context(uri_of(before), before / "runs"), stop=lambda: next(calls) >= 2)
    assert stopped.status == "interrupted"
    here = before.rename(tmp_path / "b")
    resumed = run(config, small.context(uri_of(here), here / "runs"))
    assert (resumed.run_id, resumed.status) == (stopped.run_id, "finished")
    assert results.load(uri_of(here), ("small",)).artifact(resumed.run_id, results.WEIGHTS) is not None
    assert not before.exists()


def pending(folder: Path, monkeypatch: pytest.MonkeyPatch, runs: Path | None = None) -> str:
    """Create a run with a pending end and an artifact, and return its id."""

    def away(*_: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.delivery.send", away)
        log = Tracker(uri_of(folder), "small").start_run("r", TAGS, {}, folder=(runs or folder / "runs") / "small" / "abc")
        log.artifact("config.json", b'{"id": "%s"}' % log.run_id.encode())
        log.finish("finished")
    return log.run_id


def delivered(runs: Path, folder: Path) -> list[tuple[int, int]]:
    return [(one.sent, one.pending) for one in deliver_pending(runs, uri_of(folder))]


def test_pending_writes_of_a_moved_folder_are_delivered(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = project()
    pending(before, monkeypatch)
    here = before.rename(tmp_path / "b")
    assert delivered(here / "runs", here) == [(4, 0)]
    assert len(read(here)) == 2
    assert not before.exists()


def test_pending_writes_of_a_copied_folder_go_to_its_own_store(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = project()
    run_id = pending(original, monkeypatch)
    copy = shutil.copytree(original, tmp_path / "copy")
    untouched = contents(original)
    assert delivered(copy / "runs", copy) == [(4, 0)]
    assert (copy / "mlruns" / "small" / run_id / "artifacts" / "config.json").is_file()
    assert contents(original) == untouched
    assert delivered(original / "runs", copy) == [(0, 4)]  # the journal of the original belongs to its own store
    assert delivered(original / "runs", original) == [(4, 0)]


def test_pending_writes_in_another_folder_follow_the_moved_database(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, runs = project(), tmp_path / "scratch"
    pending(before, monkeypatch, runs)
    copy = shutil.copytree(before, tmp_path / "copy")
    assert delivered(runs, copy) == [(0, 4)]  # the original store of these writes exists
    here = before.rename(tmp_path / "b")
    assert delivered(runs, here) == [(4, 0)]


def test_a_store_without_the_run_gets_none_of_its_writes(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, other = project(), project(folder="other")
    pending(before, monkeypatch)
    (before / "runs").rename(other / "runs")
    shutil.rmtree(before)
    assert [one.meant_for for one in deliver_pending(other / "runs", uri_of(other))] == [uri_of(before)]


def test_the_store_is_recognised_through_a_link(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, link = project(), tmp_path / "link"
    link.symlink_to(folder)
    pending(link, monkeypatch)
    assert delivered(folder / "runs", folder) == [(4, 0)]


def test_the_ui_serves_the_current_locations(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = project()
    here = shutil.copytree(original, tmp_path / "copy")
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(store, "is_writable", lambda path: False)
        copied = store.sqlite_path(served_uri(uri_of(here)))
    assert copied is not None
    assert copied.is_relative_to(tmp_path / "cache")
    assert all(location.startswith(here.as_uri()) for location in locations(copied))
    assert locations(here / "mlflow.db") == locations(original / "mlflow.db")

    assert served_uri(uri_of(here)) == uri_of(here)
    assert locations(here / "mlflow.db") == locations(copied)
    with pytest.raises(UserError, match="no results"):
        served_uri(uri_of(tmp_path))
