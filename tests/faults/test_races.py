"""Real processes that execute the same suite concurrently, and jobs that a batch scheduler terminates."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from real_runs import RUN, call, output_of, pending, recorded, start, until

SMALL = ("--set", "budget.images=2560", "--set", "evaluation.samples=200", "--set", "recipe.width=8")
GRACE_SECONDS = 120  # between SIGTERM and SIGKILL (10 to 90 in batch schedulers, whose machines are less busy)


def suite(variants: str) -> tuple[str, ...]:
    return ("suite", "smoke", "--seeds", "1", "--only", variants, "--workers", "1", *SMALL)


def at_once(folder: Path, words: Sequence[str], folders: Sequence[str]) -> list[str]:
    """Start the same suite on one store from several folders at the same time, and return the outputs."""
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    processes = []
    for number, runs in enumerate(folders):
        own = folder / f"process-{number}"
        own.mkdir()
        processes.append((own, start(own, *words, "--runs-dir", str(folder / runs), **store)))
    try:
        for own, process in processes:
            assert process.wait(timeout=600) == 0, output_of(own)
        return [output_of(own) for own, _ in processes]
    finally:
        for _, process in processes:
            process.kill()
            process.wait()


def assert_each_once(folder: Path, texts: Sequence[str], count: int) -> None:
    found = recorded(f"sqlite:///{folder}/mlflow.db", "smoke")  # raises if a run is recorded twice
    assert len(found) == count
    assert {status for status, _ in found.values()} == {"finished"}
    assert not any("Traceback" in text for text in texts)
    points = [(name, key, step) for name, (_, history) in found.items() for key, step, _ in history]
    assert len(points) == len(set(points))
    assert not pending(folder)


@pytest.mark.slow
@pytest.mark.parametrize("folders", [("runs", "runs"), ("runs", "others")], ids=["one folder", "two folders"])
def test_two_suites_at_once(tmp_path: Path, folders: tuple[str, str]) -> None:
    assert_each_once(tmp_path, at_once(tmp_path, suite("*dc*"), folders), 1)


@pytest.mark.faults
@pytest.mark.parametrize("folders", [("runs",) * 3, ("a", "b", "c"), ("a", "a", "b")], ids=["one folder", "three folders", "two folders"])
def test_three_suites_of_eight_runs_at_once(tmp_path: Path, folders: tuple[str, ...]) -> None:
    words = suite("*")
    assert_each_once(tmp_path, at_once(tmp_path, words, folders), 8)
    single = tmp_path / "single"
    single.mkdir()
    assert call(single, *words)[0] == 0
    assert recorded(f"sqlite:///{tmp_path}/mlflow.db", "smoke") == recorded(f"sqlite:///{single}/mlflow.db", "smoke")


def scheduled(process: subprocess.Popen[bytes]) -> int:
    """Terminate a job as a batch scheduler does after its time limit, and return its exit status."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def statuses(folder: Path) -> list[str]:
    """Return the statuses of the runs in a folder's store, or an empty list if there is no store."""
    store = folder / "mlflow.db"
    return [status for status, _ in recorded(f"sqlite:///{store}").values()] if store.exists() else []


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.faults), pytest.param(6, marks=pytest.mark.faults)])
def test_a_job_that_a_scheduler_ends_resumes(tmp_path: Path, times: int) -> None:
    """A terminated job exits within the grace period, with a checkpoint. The same command resumes the run."""
    words = (*RUN, "--set", "budget.images=60000")
    folder, whole = tmp_path / "ended", tmp_path / "whole"
    folder.mkdir()
    whole.mkdir()
    for number in range(times):
        process = start(folder, *words, GANBENCH_CHECKPOINT_SECONDS="3600")  # only the stop saves a checkpoint
        try:
            until(lambda: statuses(folder) == ["running"], process, folder)
            time.sleep(number / 2)
            if process.poll() is not None:
                break
            exit_status = scheduled(process)
        finally:
            process.kill()
            process.wait()
        assert "Traceback" not in output_of(folder)
        if number and statuses(folder) == ["finished"]:  # the signal arrived during the final evaluation or the exit
            break
        assert exit_status == 130, output_of(folder)
        assert statuses(folder) == ["interrupted"]
        assert list(folder.glob("runs/runs/*/state.safetensors"))
    assert call(folder, *words)[0] == 0
    assert call(whole, *words)[0] == 0
    assert recorded(f"sqlite:///{folder}/mlflow.db") == recorded(f"sqlite:///{whole}/mlflow.db")
