"""The Ray executor, with a fake of Ray that executes every task in this process."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import small
from small_study import planned, swept

from bench.core.config import DATASETS, Evaluation
from bench.core.errors import UserError
from bench.metrics.extractors import classifier_training, extractor_for, training_plan
from bench.metrics.extractors.local import trained
from bench.runs.types import RunProgress, RunResult
from bench.scheduling import ray_executor
from bench.scheduling.cluster import HERE, Cluster
from bench.scheduling.jobs import Job
from bench.scheduling.messages import MessageBoard
from bench.scheduling.ray_executor import RETRIES, RayExecutor
from bench.scheduling.rescoring import finished_runs, rescore
from bench.scheduling.scheduler import Display
from bench.scheduling.suite_jobs import ReferenceJob, RunJob, ScoreJob
from bench.tracking.client import Tracker
from bench.tracking.results import load
from bench.training.loop import never

Results = list[RunResult]


def a_job(uri: str, folder: Path, key: str = "abc") -> RunJob:
    return RunJob.of(small.config(), small.context(uri, folder), key)


class RayError(Exception):
    """Fake of Ray's base class of errors."""


class TaskError(RayError):
    """Fake of Ray's error of a failed task, which has the task's own error as its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class TaskCancelled(RayError):
    """Fake of Ray's error of a cancelled task."""


class NodeDied(RayError):
    """Fake of Ray's error of a lost node."""


class Task:
    """Call of a function and, after `done`, its result or error."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.result: Any = None
        self.error: Exception | None = None

    def done(self) -> Task:
        try:
            self.result = self.call()
        except Exception as error:
            self.error = error
        return self


class NoRay:
    """Fake of Ray that executes a task when the driver waits for it. The first tasks raise the errors `deaths` instead."""

    exceptions = SimpleNamespace(
        RayError=RayError, RayTaskError=TaskError, TaskCancelledError=TaskCancelled, NodeDiedError=NodeDied, LocalRayletDiedError=NodeDied
    )

    def __init__(self, *deaths: Exception) -> None:
        self.deaths = list(deaths)
        self.cancelled: list[Any] = []
        self.killed: list[Any] = []
        self.options: list[dict[str, Any]] = []
        self.resources: list[dict[str, float]] = [{"CPU": 2}]

    def remote(self, **options: Any) -> Any:
        self.options.append(options)
        return self._remote

    def _remote(self, what: Any) -> Any:
        if what is not MessageBoard:
            return SimpleNamespace(remote=partial(self._begin, what))
        board = MessageBoard()
        calls = {name: SimpleNamespace(remote=partial(self._now, getattr(board, name))) for name in ("post", "read", "stop")}
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: SimpleNamespace(board=board, **calls)))

    def _now(self, function: Any, *words: Any) -> Task:
        return Task(partial(function, *words)).done()

    def _begin(self, work: Any, job: str, _: str, board: Any) -> Task:
        return Task(partial(self._do, job, board))

    def _do(self, job: str, board: Any) -> str:
        if self.deaths:
            raise self.deaths.pop(0)
        try:
            return ray_executor.run_job(Job.from_json(job), board.board.post)
        except UserError as error:
            raise TaskError(error) from error

    def wait(self, tasks: list[Task], timeout: float) -> tuple[list[Task], list[Task]]:
        return [tasks[0].done()], tasks[1:]

    def get(self, task: Task) -> Any:
        if task in self.cancelled:
            raise TaskCancelled
        if task.error is not None:
            raise task.error
        return task.result

    def cancel(self, reference: Any, force: bool = False) -> None:
        self.cancelled.append(reference)

    def kill(self, board: Any) -> None:
        self.killed.append(board)

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": resources} for resources in self.resources]


def executed(ray: NoRay, jobs: list[Job | None], *, stop: Any = never, update: Any = lambda *_: None, workers: int = 2) -> Results:
    return [result for _, result in RayExecutor(ray, HERE, workers, stop, update).results(iter(jobs))]


def finished(one: Job) -> RunResult:
    return RunResult(run_id=one.key, variant="label-smoothed", dataset="digits", seed=0, status="finished")


def test_a_run_in_a_worker_reports_its_progress(uri: str, tmp_path: Path) -> None:
    reported: list[RunProgress] = []
    ray = NoRay()
    executor = RayExecutor(ray, HERE, 1, never, lambda _, progress: reported.append(progress))
    one = a_job(uri, tmp_path)
    executor._submit(one)
    progress = RunProgress(
        images=1, share=0.5, budget="2 real images", images_per_second=3.0, scalars={"loss_d": 1.0}, measured={}, flags=("collapse",)
    )
    executor._board.board.post(one.key, json.dumps({"progress": asdict(progress), "lines": []}))
    executor._board.board.post("of a job that has ended", json.dumps({"progress": asdict(progress), "lines": []}))
    executor._relay_messages()
    assert reported == [progress]
    ((_, result),) = executor.results(iter([]))
    assert (result.status, result.variant) == ("finished", "label-smoothed")
    assert not list(tmp_path.glob("abc/*.json*"))
    assert ray.killed == [executor._board]


def test_a_worker_stops_on_request(uri: str, tmp_path: Path) -> None:
    board = MessageBoard()
    board.stop()
    assert json.loads(ray_executor.run_job(a_job(uri, tmp_path), board.post))["status"] == "interrupted"


def test_a_run_that_cannot_start_ends_no_other(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def do(one: Job, *_: object) -> RunResult:
        if one.key == "one":
            raise UserError("the tracking store does not answer")
        return finished(one)

    monkeypatch.setattr(RunJob, "do", do)
    ended: list[str] = []
    results = RayExecutor(NoRay(), HERE, 2, never, lambda *_: None).results(
        iter([a_job(uri, tmp_path, key) for key in ("one", "two", "three")])
    )
    with pytest.raises(UserError, match="the tracking store does not answer"):
        ended.extend(result.run_id for _, result in results)
    assert ended == ["two"]  # "two" runs when "one" cannot start, and "three" never starts


DIED = RayError("The worker died unexpectedly.\nCheck python-core-worker-*.log files.")
IN_WORDS = "killed (out of memory?): The worker died unexpectedly. Check python-core-worker-*.log files."


def test_a_run_whose_worker_dies_is_resumed(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (result,) = executed(NoRay(*[DIED] * RETRIES), [a_job(uri, tmp_path)])
    assert result.status == "finished"
    assert caplog.text.count(f"label-smoothed seed 0: {IN_WORDS}; it resumes from its last checkpoint") == RETRIES


def test_a_run_whose_workers_die_repeatedly_fails(uri: str, tmp_path: Path) -> None:
    (result,) = executed(NoRay(*[DIED] * (RETRIES + 1)), [a_job(uri, tmp_path)])
    assert (result.status, result.reason) == ("failed", IN_WORDS)


@pytest.mark.parametrize("kind", [ScoreJob, ReferenceJob])
def test_a_worker_that_dies_while_it_measures_ends_no_run(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Job]
) -> None:
    monkeypatch.setattr(RunJob, "do", lambda one, *_: finished(one))
    given = {"name": "measured again", "key": "m", "folder": str(tmp_path), "uri": uri, "evaluation": Evaluation()}
    measuring = kind.model_validate(given | {"row": "real"})
    jobs = [measuring, *(a_job(uri, tmp_path, key) for key in ("one", "two"))]
    ray = NoRay(*[DIED] * (RETRIES + 1))
    ended = {job.key: result for job, result in RayExecutor(ray, HERE, 1, never, lambda *_: None).results(iter(jobs))}
    assert {key: result.status for key, result in ended.items()} == {"m": "failed", "one": "finished", "two": "finished"}
    assert ended["m"].reason == IN_WORDS
    assert not ray.cancelled


def test_lost_nodes_are_not_held_against_a_run(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tags = {"kind": "run", "fingerprint": "abc", "variant": "label-smoothed", "status": "running"}
    log = Tracker(uri, "small").start_run("r", tags, {})
    Tracker(uri, "small").tag(log.run_id, {"owner": "another-machine:7"})
    statuses: list[str] = []

    class Watching(NoRay):
        def _do(self, job: str, board: Any) -> str:
            statuses.append(load(uri, ("small",)).runs.iloc[0]["status"])
            return super()._do(job, board)

    (result,) = executed(Watching(*[NodeDied()] * (RETRIES + 3)), [a_job(uri, tmp_path)])
    assert result.status == "finished"
    assert statuses[:2] == ["running", "interrupted"]  # so that another node can resume it
    assert "label-smoothed seed 0: its node was lost; it resumes" in caplog.text


def test_a_job_whose_worker_dies_during_a_stop_is_not_restarted(uri: str, tmp_path: Path) -> None:
    answers = iter([False, False])
    (result,) = executed(NoRay(DIED), [a_job(uri, tmp_path)], stop=lambda: next(answers, True), workers=1)
    assert result.status == "failed"


def test_a_stop_cancels_jobs_that_have_not_started(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunJob, "do", lambda one, *_: finished(one))
    ray, calls = NoRay(), iter([False] * 3)
    executor = RayExecutor(ray, HERE, 2, lambda: next(calls, True), lambda *_: None)
    executor._started.add("one")
    jobs = [a_job(uri, tmp_path, key) for key in ("one", "two")]
    executor._submit(jobs[0])
    executor._started.add("one")
    executor._submit(jobs[1])
    executor._stop_all()
    assert [result.run_id for _, result in executor.results(iter([]))] == ["one"]
    assert len(ray.cancelled) == 1


def test_a_second_stop_cancels_running_jobs(uri: str, tmp_path: Path) -> None:
    ray = NoRay()

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    ray.wait = interrupt  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        executed(ray, [a_job(uri, tmp_path, "one"), a_job(uri, tmp_path, "two")])
    assert len(ray.cancelled) == 2
    assert ray.killed


def test_warnings_of_a_worker_reach_the_driver(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def do(one: Job, *_: object) -> RunResult:
        logging.getLogger("bench.runs.runner").warning("mind this")
        return finished(one)

    monkeypatch.setattr(RunJob, "do", do)
    executor = RayExecutor(NoRay(), HERE, 1, never, lambda *_: None)
    list(executor.results(iter([a_job(uri, tmp_path)])))
    assert [record.getMessage() for record in caplog.records] == ["mind this", "label-smoothed seed 0: mind this"]


def test_a_stop_before_any_job_starts(uri: str, tmp_path: Path) -> None:
    assert executed(NoRay(), [a_job(uri, tmp_path / "not there yet")], stop=lambda: True) == []
    assert not (tmp_path / "not there yet").exists()


def test_none_means_that_a_job_may_follow(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "POLL_SECONDS", 0.0)
    assert [result.status for result in executed(NoRay(), [None, a_job(uri, tmp_path), None])] == ["finished"]


def test_a_cluster_without_resources_is_logged_once(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ray = NoRay()
    executor = RayExecutor(ray, Cluster(cpus=2, gpus=0), 1, never, lambda *_: None)
    executor._cluster = Cluster(address="auto", cpus=2, gpus=0)
    executor._submit(a_job(uri, tmp_path))
    executor._check_capacity()
    assert not caplog.records
    ray.resources = [{"CPU": 1}]
    executor._check_capacity()
    executor._check_capacity()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["no remaining node has enough resources for a run"]


def test_ray_gets_the_resources_of_a_run(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "_board_options", lambda *_: {})

    def options(cluster: Cluster) -> dict[str, Any]:
        ray = NoRay()
        RayExecutor(ray, cluster, 1, never, lambda *_: None)
        return ray.options[1]

    local, remote = Cluster(cpus=4, gpus=0.5, memory_gb=3), Cluster(address="auto", cpus=4, gpus=0.5, memory_gb=3)
    assert options(local) == {"num_cpus": 1, "num_gpus": 0.5, "max_retries": 0}
    assert options(remote) == {"num_cpus": 4, "num_gpus": 0.5, "memory": 3_000_000_000, "max_retries": 0}


class Node(NoRay):
    """Fake of Ray that executes tasks with another cache folder, as on another machine."""

    def __init__(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._cache, self._monkeypatch = cache, monkeypatch

    def _begin(self, work: Any, job: str, given: str, board: Any) -> Task:
        def post(key: str, message: str) -> Any:
            return SimpleNamespace(future=lambda: SimpleNamespace(result=lambda _: board.board.post(key, message)))

        def execute() -> str:
            with self._monkeypatch.context() as node:
                node.setenv("GANBENCH_CACHE", str(self._cache))
                return work(job, given, SimpleNamespace(post=SimpleNamespace(remote=post)))

        return Task(execute)


def test_a_worker_measures_with_the_classifier_of_the_driver(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_plan, "MOST_EPOCHS", 15)
    monkeypatch.setattr(training_plan, "FEWEST_STEPS", 40)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "driver"))
    monkeypatch.setattr(classifier_training, "SEED", 1)

    def do(one: Job, *_: object) -> RunResult:
        monkeypatch.setattr(classifier_training, "SEED", 2)  # a training on this node would give another classifier
        return replace(finished(one), run_id=extractor_for("classifier", DATASETS.get(one.dataset)).weights_hash)

    monkeypatch.setattr(RunJob, "do", do)
    jobs = [a_job(uri, tmp_path, key).model_copy(update={"dataset": "labelled:PATTERNS"}) for key in ("one", "two")]
    results = executed(Node(tmp_path / "node", monkeypatch), list(jobs))
    assert {result.run_id for result in results} == {trained(DATASETS.get("labelled:PATTERNS")).weights_hash}
    assert not (tmp_path / "node").exists()
    with pytest.raises(UserError, match="the same data"):
        executed(Node(tmp_path / "node", monkeypatch), [jobs[0].model_copy(update={"dataset": "labelled:FEW"})])


def test_every_job_names_its_dataset(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished_suites: Callable[[int], Path]
) -> None:
    small.copy(finished_suites(1), tmp_path)
    jobs: list[Job] = []

    def recording(given: Any, **_: object) -> Any:
        jobs.extend(job for job in islice(given, 10) if job is not None)
        return iter(())

    for module in ("bench.scheduling.scheduler", "bench.scheduling.rescoring", "studies.sweep"):
        monkeypatch.setattr(f"{module}.execute", recording)
    small.execute(uri, tmp_path / "runs", settings={"evaluation.samples": 50})
    rescore(finished_runs(uri, (), "small", {}), uri=uri, workers=1, stop=never, display=Display())
    swept(planned(uri, tmp_path))
    assert {job.kind for job in jobs} == {"run", "score", "reference", "trial"}
    assert {job.dataset for job in jobs} == {"digits"}
