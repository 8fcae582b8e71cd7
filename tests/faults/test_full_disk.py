"""Full disks during a run, for each kind of file. Once space is free, the records equal those of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from real_runs import RUN, Points, call, output_of, pending, recorded, start, until
from small_disk import SmallDisk, small_disk

IMAGES = ("--set", "budget.images=60000")
WORDS = (*RUN, *IMAGES)
MEGABYTES = 6


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an undisturbed run with its reference rows. Runs on a copy of its store do not measure them."""
    folder = tmp_path_factory.mktemp("whole")
    status, text = call(folder, *WORDS)
    assert status == 0, text
    return folder


@pytest.fixture(scope="module")
def whole(template: Path) -> dict[str, tuple[str, Points]]:
    """Return the records of an undisturbed run."""
    return recorded(f"sqlite:///{template}/mlflow.db")


def assert_good(text: str) -> None:
    assert "Traceback" not in text, text


def wait_for_checkpoint(runs: Path, process: object, folder: Path) -> None:
    until(lambda: list(runs.glob("runs/*/state.safetensors")), process, folder)  # type: ignore[arg-type]


def partial_files(folder: Path) -> list[str]:
    """Return the files of failed writes."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith(".state") or path.name.endswith(".new")
    )


def filled(disk: SmallDisk, folder: Path, runs: Path, words: tuple[str, ...], *, end: signal.Signals | None = None) -> tuple[int, str]:
    """Execute the run with a full disk from its first checkpoint to its end, or to a signal."""
    process = start(folder, *words, prefix=disk.prefix)
    try:
        wait_for_checkpoint(runs, process, folder)
        with disk.full():
            if end is not None:
                until(lambda: "cannot be written" in output_of(folder), process, folder)
                process.send_signal(end)
            status = process.wait(timeout=300)
            return status, output_of(folder)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(None, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.faults),
        pytest.param(signal.SIGKILL, marks=pytest.mark.faults),
    ],
)
def test_checkpoints_and_the_journal(tmp_path: Path, whole: dict[str, tuple[str, Points]], end: signal.Signals | None) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with small_disk(folder / "disk", megabytes=MEGABYTES) as disk:
        words = (*WORDS, "--runs-dir", "disk")
        status, text = filled(disk, folder, disk.path, words, end=end)
        assert_good(text)
        assert status == {None: 0, signal.SIGTERM: 130, signal.SIGKILL: -9}[end], text
        assert f"{folder}/disk/runs/" in text
        assert "No space left on device" in text
        status, text = call(folder, *words, prefix=disk.prefix)
        assert status == 0, text
        assert_good(text)
        assert ("already finished" in text) == (end is None)
        assert partial_files(disk.path) == []
        assert not pending(disk.path)
    assert recorded(f"sqlite:///{folder}/mlflow.db") == whole


@pytest.mark.faults
def test_artifacts(tmp_path: Path, whole: dict[str, tuple[str, Points]]) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with small_disk(folder / "mlruns", megabytes=MEGABYTES) as disk:
        status, text = filled(disk, folder, folder / "runs", WORDS)
        assert_good(text)
        assert status == 0, text
        assert "No space left on device" in text
        assert "pending in runs/runs/" in text
        status, text = call(folder, *WORDS, prefix=disk.prefix)
        assert_good(text)
        assert (status, "already finished" in text) == (0, True), text
        assert not pending(folder / "runs")
        artifacts = {path.name for path in disk.path.rglob("*") if path.is_file()}
        assert {"curves.parquet", "last.safetensors", "evidence.json", "final.png"} <= artifacts
        status, text = call(folder, "sample", _run_id(folder), "--out", "x.png", prefix=disk.prefix)
        assert status == 0, text
    assert recorded(f"sqlite:///{folder}/mlflow.db") == whole


@pytest.mark.faults
def test_the_store_itself(tmp_path: Path, whole: dict[str, tuple[str, Points]]) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with small_disk(folder / "disk", megabytes=MEGABYTES) as disk:
        store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/disk/mlflow.db"}
        process = start(folder, *WORDS, prefix=disk.prefix, **store)
        try:
            wait_for_checkpoint(folder / "runs", process, folder)
            with disk.full():
                status = process.wait(timeout=300)
        finally:
            process.kill()
        text = output_of(folder)
        assert_good(text)
        assert status == 0, text
        assert f"{folder}/disk/mlflow.db" in text
        assert "pending in runs/runs/" in text
        with disk.full():
            status, text = call(folder, *WORDS, prefix=disk.prefix, **store)
            assert_good(text)
            assert status in (0, 2), text
        status, text = call(folder, *WORDS, prefix=disk.prefix, **store)
        assert_good(text)
        assert (status, "already finished" in text) == (0, True), text
        assert not pending(folder / "runs")
        shutil.copy(disk.path / "mlflow.db", folder / "mlflow.db")
    assert recorded(f"sqlite:///{folder}/mlflow.db") == whole


@pytest.mark.faults
def test_a_store_that_cannot_be_created(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with small_disk(folder / "disk", megabytes=1) as disk:
        store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/disk/mlflow.db"}
        with disk.full():
            status, text = call(folder, *WORDS, prefix=disk.prefix, **store)
        assert_good(text)
        assert status == 2, text
        assert f"{folder}/disk" in text
        assert {path.name for path in disk.path.iterdir()} <= {"mlflow.db.lock"}


@pytest.mark.faults
def test_a_report(tmp_path: Path, template: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{template}/mlflow.db"}
    with small_disk(folder / "disk", megabytes=2) as disk:
        for words, least in (
            (("--out", "disk/page"), 2),
            (("--out", "page", "--csv", "disk/tidy"), 2),
            (("--out", "page", "--latex", "disk/t.tex"), 2),
        ):
            with disk.full():
                status, text = call(folder, "report", "--suite", "runs", *words, prefix=disk.prefix, **store)
            assert_good(text)
            assert status == least, text
            assert "disk/" in text
            assert "No space left on device" in text
            assert [path for path in disk.path.rglob("*") if path.is_file()] == []
            status, text = call(folder, "report", "--suite", "runs", *words, prefix=disk.prefix, **store)
            assert status == 0, text
            shutil.rmtree(disk.path / Path(words[-1]).name, ignore_errors=True)
            (disk.path / "t.tex").unlink(missing_ok=True)


def _run_id(folder: Path) -> str:
    from bench.tracking.results import load

    return str(load(f"sqlite:///{folder}/mlflow.db", ("runs",)).runs.query("kind == 'run'")["run_id"].iloc[0])


@pytest.mark.faults
@pytest.mark.parametrize(
    "words",
    [
        (*WORDS, "--runs-dir", "disk/runs"),
        ("report", "--out", "disk/page"),
        ("report", "--csv", "disk/tidy"),
        ("report", "--latex", "disk/t.tex"),
        ("sample", "000000", "--out", "disk/x.npz"),
        ("study", "lr-k-quick", "--storage", "disk/studies.journal"),
    ],
)
def test_a_disk_that_is_mounted_read_only(tmp_path: Path, template: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with small_disk(folder / "disk", megabytes=1) as disk:
        disk.read_only()
        status, text = call(folder, *words, prefix=disk.prefix, MLFLOW_TRACKING_URI=f"sqlite:///{template}/mlflow.db")
        assert status == 2, text
        assert_good(text)
        assert "disk" in text
        assert "Read-only file system" in text
    assert sorted(os.listdir(folder)) == ["disk", "output.log"]


@pytest.mark.faults
def test_a_working_folder_that_is_mounted_read_only(tmp_path: Path, template: Path) -> None:
    """In a read-only working folder, a run fails unless its store, folder and cache are elsewhere."""
    folder = tmp_path / "work"
    folder.mkdir()
    with small_disk(folder / "disk", megabytes=1) as disk:
        disk.read_only()
        inside = ("sh", "-c", 'cd disk && exec "$@"', "sh")
        status, text = call(folder, *WORDS, prefix=(*disk.prefix, *inside), MLFLOW_TRACKING_URI="")
        assert status == 2, text
        assert_good(text)
        assert f"{folder}/disk" in text
        elsewhere = ("--runs-dir", str(folder / "runs"), "--seed", "1", "--set", "budget.images=640")
        status, text = call(folder, *RUN, *elsewhere, prefix=(*disk.prefix, *inside))
        assert status == 0, text


@pytest.mark.faults
def test_a_cache_that_is_mounted_read_only(tmp_path: Path) -> None:
    """Every process computes the values that are usually cached, and logs a warning. The records do not change."""
    folder = tmp_path / "work"
    folder.mkdir()
    with small_disk(folder / "cache", megabytes=1) as disk:
        disk.read_only()
        words = (*RUN, "--set", "budget.images=640")
        status, text = call(folder, *words, prefix=disk.prefix, GANBENCH_CACHE=str(folder / "cache"))
        assert status == 0, text
        assert_good(text)
        assert "every process computes" in text
    found = recorded(f"sqlite:///{folder}/mlflow.db")
    (tmp_path / "other").mkdir()
    status, _ = call(tmp_path / "other", *words)
    assert status == 0
    assert found == recorded(f"sqlite:///{tmp_path}/other/mlflow.db")
