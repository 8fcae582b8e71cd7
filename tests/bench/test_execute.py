"""Jobs, in this process and in workers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import small

from bench import execute
from bench.config import DATASETS
from bench.errors import UserError
from bench.execute import Job, check_workers
from bench.record import RunProgress
from bench.results import load
from bench.tracking import Tracker
from bench.train import never


@pytest.mark.parametrize(("cores", "threads", "expected"), [(8, 1, 8), (8, 3, 2), (2, 4, 1)])
def test_workers_fill_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, expected: int) -> None:
    monkeypatch.setattr("bench.execute.cores", lambda: cores)
    assert check_workers(None, threads) == expected
    assert check_workers(expected, threads) == expected
    for wrong in (0, -1, expected + 1):
        with pytest.raises(UserError, match=f"--workers takes 1 to {expected}"):
            check_workers(wrong, threads)


def job(uri: str, folder: Path) -> Job:
    return Job.of_run(small.config(), small.place(uri, folder), "abc")


def test_a_job_survives_the_way_to_a_worker(uri: str, tmp_path: Path) -> None:
    result = json.loads(execute._work(json.dumps(asdict(job(uri, tmp_path))), str(tmp_path / "stop")))
    assert (result["status"], result["variant"]) == ("finished", "label-smoothed")
    assert not list(tmp_path.glob("abc*"))  # the progress file is gone


def test_progress_is_told_through_a_file(uri: str, tmp_path: Path) -> None:
    told: list[RunProgress] = []
    one = job(uri, tmp_path)
    one.progress_file.parent.mkdir()
    progress = RunProgress(images=1, budget_images=2, images_per_second=3.0, scalars={"loss_d": 1.0}, measured={})
    execute._read_progress(one, lambda _, progress: told.append(progress))
    execute._write_progress(one, progress)
    execute._read_progress(one, lambda _, progress: told.append(progress))
    assert told == [progress]


def test_a_worker_stops_when_the_flag_is_there(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "POLL_SECONDS", 0.0)
    (tmp_path / "stop").touch()
    result = json.loads(execute._work(json.dumps(asdict(job(uri, tmp_path))), str(tmp_path / "stop")))
    assert result["status"] == "interrupted"


def test_a_dead_worker_is_a_failed_run(uri: str, tmp_path: Path) -> None:
    one = job(uri, tmp_path)
    log = Tracker(uri, "small").start_run("r", {"kind": "run", "fingerprint": "abc", "variant": "label-smoothed"}, {})
    result = execute._failed(one, "the worker died: out of memory")
    assert (result.status, result.run_id) == ("failed", log.run_id)
    assert load(uri, ("small",)).runs.iloc[0]["reason"] == "the worker died: out of memory"


def test_one_worker_needs_no_ray(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "_start_ray", lambda _: pytest.fail("Ray was started"))
    jobs = [job(uri, tmp_path)]
    ((_, result),) = execute.execute(jobs, workers=1, stop=never, update=lambda *_: None)
    assert result.status == "finished"
    assert list(execute.execute(jobs, workers=1, stop=lambda: True, update=lambda *_: None)) == []


def test_stopping_before_any_worker_has_begun(uri: str, tmp_path: Path) -> None:
    ray = SimpleNamespace(remote=lambda **_: lambda work: work)
    jobs = [job(uri, tmp_path / "not there yet")]
    assert list(execute._with_ray(ray, jobs, 2, lambda: True, lambda *_: None)) == []
    assert not list((tmp_path / "not there yet").iterdir())


@pytest.mark.slow  # starts Ray
def test_a_killed_worker_does_not_stop_the_others(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal

    killed: list[int] = []

    def kill_first(one: Job, progress: RunProgress) -> None:
        owner = next(run.data.tags["owner"] for run in Tracker(uri, "small").find(one.key))
        if not killed:
            killed.append(int(owner.rpartition(":")[2]))
            os.kill(killed[0], signal.SIGKILL)

    long = small.config(**{"budget.images": 64_000})
    jobs = [
        Job.of_run(config, small.place(uri, tmp_path), config.fingerprint(data_digest=DATASETS.get("digits").digest()))
        for config in (long, small.config(**{"budget.images": 64_000, "seed": 1}))
    ]
    results = [result for _, result in execute.execute(jobs, workers=2, stop=never, update=kill_first)]
    assert sorted(result.status for result in results) == ["failed", "finished"]
    assert sorted(load(uri, ("small",)).runs["status"]) == ["failed", "finished"]
