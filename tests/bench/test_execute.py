"""Jobs, in this process and in workers."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import small

from bench import execute
from bench.config import DATASETS
from bench.delivery import Posted
from bench.errors import UserError
from bench.execute import Job, check_workers
from bench.record import RunProgress
from bench.results import load
from bench.run import RunResult
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
    progress = RunProgress(
        images=1, share=0.5, budget="2 real images", images_per_second=3.0, scalars={"loss_d": 1.0}, measured={}, flags=("collapse",)
    )
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


def test_a_dead_worker_of_a_store_that_is_away_is_said_and_is_no_traceback(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: str) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr("bench.store.create", away)
    result = execute._failed(job(uri, tmp_path), "killed")
    assert (result.status, result.run_id) == ("failed", "")
    assert "does not answer: away: it is not told that label-smoothed seed 0 failed" in caplog.text


def test_what_a_dead_worker_left_is_delivered(uri: str, tmp_path: Path) -> None:
    tags = {"kind": "run", "fingerprint": "abc", "variant": "label-smoothed"}
    log = Tracker(uri, "small").start_run("r", tags, {}, outbox=tmp_path / "abc" / "outbox")
    delivery = log._delivery
    assert isinstance(delivery, Posted)
    delivery._due = float("inf")  # it died before it could try again
    log.points({"train/loss_d": 1.0}, images=1, train_seconds=1.0)
    log.flush()
    delivery._outbox.close()
    assert execute._failed(job(uri, tmp_path), "killed").run_id == log.run_id
    row = load(uri, ("small",)).runs.iloc[0]
    assert (row["status"], row["train/loss_d"]) == ("failed", 1.0)
    assert not (tmp_path / "abc").exists()


class NoRay:
    """Does every task at once, in this process."""

    def __init__(self) -> None:
        self.exceptions = SimpleNamespace(RayTaskError=TaskError, RayError=WorkerCrashedError)

    def remote(self, **_: object) -> Any:
        return lambda work: SimpleNamespace(remote=partial(self._begin, work))

    def _begin(self, work: Any, *words: str) -> Any:
        try:
            result = work(*words)
        except UserError as error:
            return partial(self._fail, TaskError(error))
        return lambda: result

    def _fail(self, error: Exception) -> None:
        raise error

    def wait(self, references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return references[:1], references[1:]

    def get(self, reference: Any) -> Any:
        return reference()


class TaskError(Exception):
    """As Ray's: what a task raised is its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class WorkerCrashedError(Exception):
    """As Ray's."""


def test_a_run_that_cannot_begin_ends_no_other(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [replace(job(uri, tmp_path), key=key) for key in ("one", "two", "three")]

    def do(one: Job, *_: object) -> RunResult:
        if one.key == "one":
            raise UserError("the tracking store does not answer")
        return RunResult(run_id=one.key, variant="label-smoothed", dataset="digits", seed=0, status="finished")

    monkeypatch.setattr(execute, "do", do)
    ended: list[str] = []
    with pytest.raises(UserError, match="the tracking store does not answer"):
        ended.extend(result.run_id for _, result in execute._with_ray(NoRay(), iter(jobs), 2, tmp_path / "stop", never, lambda *_: None))
    assert ended == ["two"]  # under way when "one" could not begin; "three" never begins


class Dying(NoRay):
    """Its workers die so many times before one lives."""

    def __init__(self, deaths: int) -> None:
        super().__init__()
        self.left = deaths

    def _begin(self, work: Any, *words: str) -> Any:
        if self.left:
            self.left -= 1
            return partial(self._fail, WorkerCrashedError("The worker died unexpectedly.\nCheck python-core-worker-*.log files."))
        return super()._begin(work, *words)


def executed(ray: NoRay, one: Job, folder: Path) -> list[RunResult]:
    return [result for _, result in execute._with_ray(ray, iter([one]), 1, folder / "stop", never, lambda *_: None)]


def test_a_run_whose_worker_dies_goes_on(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (result,) = executed(Dying(execute.RETRIES), job(uri, tmp_path), tmp_path)
    assert result.status == "finished"
    died = "killed (out of memory?): The worker died unexpectedly. Check python-core-worker-*.log files."
    assert caplog.text.count(f"label-smoothed seed 0: {died}; it goes on from its last checkpoint") == execute.RETRIES


def test_one_whose_workers_die_again_and_again_has_failed(uri: str, tmp_path: Path) -> None:
    (result,) = executed(Dying(execute.RETRIES + 1), job(uri, tmp_path), tmp_path)
    assert result.status == "failed"
    assert result.reason == "killed (out of memory?): The worker died unexpectedly. Check python-core-worker-*.log files."


def test_what_a_worker_warns_of_reaches_the_driver(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def do(one: Job, *_: object) -> RunResult:
        logging.getLogger("bench.run").warning("mind this")
        return RunResult(run_id="r", variant="label-smoothed", dataset="digits", seed=0, status="finished")

    monkeypatch.setattr(execute, "do", do)
    list(execute._with_ray(NoRay(), iter([job(uri, tmp_path)]), 1, tmp_path / "stop", never, lambda *_: None))
    assert [record.getMessage() for record in caplog.records] == ["mind this", "label-smoothed seed 0: mind this"]
    assert not list(tmp_path.glob("abc*"))


def test_one_worker_needs_no_ray(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "_start_ray", lambda _: pytest.fail("Ray was started"))
    jobs = [job(uri, tmp_path)]
    ((_, result),) = execute.execute(jobs, workers=1, folder=tmp_path, stop=never, update=lambda *_: None)
    assert result.status == "finished"
    assert list(execute.execute(jobs, workers=1, folder=tmp_path, stop=lambda: True, update=lambda *_: None)) == []


def test_stopping_before_any_worker_has_begun(uri: str, tmp_path: Path) -> None:
    ray = SimpleNamespace(remote=lambda **_: lambda work: work)
    jobs = [job(uri, tmp_path / "not there yet")]
    assert list(execute._with_ray(ray, iter(jobs), 2, tmp_path / "not there yet" / "stop", lambda: True, lambda *_: None)) == []
    assert not list((tmp_path / "not there yet").iterdir())


@pytest.mark.slow  # starts Ray
def test_a_killed_worker_stops_no_other_and_its_run_goes_on(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
    results = [result for _, result in execute.execute(jobs, workers=2, folder=tmp_path, stop=never, update=kill_first)]
    assert [result.status for result in results] == ["finished", "finished"]
    assert list(load(uri, ("small",)).runs["status"]) == ["finished", "finished"]  # in the same two runs
    assert "killed (out of memory?): " in caplog.text
    assert "it goes on from its last checkpoint" in caplog.text
