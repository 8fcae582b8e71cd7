"""Executor that runs jobs in parallel as Ray tasks, on the cores of this machine or on the nodes of a cluster."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Generic

from bench.core.config import DATASETS
from bench.core.errors import UserError, one_line
from bench.evaluation.evaluator import unmeasurable
from bench.metrics.extractors import packed_classifier
from bench.metrics.extractors.local import sent
from bench.runs.types import RunProgress, RunResult
from bench.scheduling.cluster import Cluster, live_nodes
from bench.scheduling.jobs import J, Job, Update, attempt, fail_job
from bench.scheduling.messages import MessageBoard, WorkerReporter, relay

log = logging.getLogger(__name__)
POLL_SECONDS = 0.3
RETRIES = 2  # of a job whose worker dies. A job that needs more memory than its node has fails each time
ANSWER_SECONDS = 60.0  # timeout for the message board. Without an answer, a worker assumes that the driver is dead, and stops
MOST_LOST_NODES = 10  # for one job. After more, the executor assumes that the job is the cause
_PREFIX = "GANBENCH_"  # of environment variables that workers get. Those of MLflow contain passwords, and each node has its own


class WorkerDied(Exception):
    """Error of a job whose worker dies, for example because it is out of memory. The message has the details."""


class NodeLost(WorkerDied):
    """Error of a job whose worker dies because the cluster loses its machine."""


class Cancelled(Exception):
    """Error of a job that is cancelled before it starts."""


class RayExecutor(Generic[J]):
    """Executor of jobs as Ray tasks. It calls `stop()` often, and `update` for each reported progress."""

    def __init__(self, ray: Any, cluster: Cluster, workers: int, stop: Callable[[], bool], update: Update) -> None:
        self._ray, self._cluster, self._workers, self._stop, self._update = ray, cluster, workers, stop, update
        self._board = ray.remote(num_cpus=0)(MessageBoard).options(**_board_options(ray, cluster)).remote()
        self._task = ray.remote(**cluster.options(), max_retries=0)(_ray_task)
        self._running: dict[Any, J] = {}
        self._classifiers: dict[str, str] = {}  # in the form that workers get, by dataset
        self._started: set[str] = set()  # keys of jobs whose workers have reported
        self._deaths: Counter[tuple[str, type[WorkerDied]]] = Counter()
        self._user_error: UserError | None = None
        self._closed = False  # whether no more jobs start
        self._capacity_warned = False

    def results(self, jobs: Iterator[J | None]) -> Iterator[tuple[J, RunResult]]:
        """Yield each job with its result when it ends. At the end, raise the UserError of the first job that cannot start."""
        try:
            while not self._closed or self._running:
                self._submit_ready(jobs)
                if self._stop():
                    self._stop_all()
                done, _ = self._ray.wait(list(self._running), timeout=POLL_SECONDS) if self._running else ([], [])
                self._relay_messages()
                for reference in done:
                    job = self._running.pop(reference)
                    if (result := self._result(reference, job)) is not None:
                        yield job, result
                self._check_capacity()
            if self._user_error:
                raise self._user_error
        finally:
            self._shut_down()

    def _submit_ready(self, jobs: Iterator[J | None]) -> None:
        while not self._closed and len(self._running) < self._workers and not self._stop():
            try:
                job = next(jobs)
            except StopIteration:
                self._closed = True
                return
            if job is None:
                time.sleep(POLL_SECONDS)
                return
            self._submit(job)

    def _submit(self, job: J) -> None:
        environment = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
        self._started.discard(job.key)
        setup = json.dumps({"environment": environment, "classifier": self._classifier(job.dataset)})
        self._running[self._task.remote(job.model_dump_json(), setup, self._board)] = job

    def _classifier(self, dataset: str) -> str:
        """Return the classifier that workers use for a dataset. This process trains a missing one. The text is empty if the dataset needs no classifier."""
        if dataset not in self._classifiers:
            data = DATASETS.get(dataset) if dataset else None
            self._classifiers[dataset] = "" if data is None or unmeasurable(data) else packed_classifier(data)
        return self._classifiers[dataset]

    def _stop_all(self) -> None:
        """Start no more jobs, request that running jobs stop, and cancel jobs that have not started."""
        if self._closed and not self._running:
            return
        self._closed = True
        for reference, job in self._running.items():
            if job.key not in self._started:
                self._ray.cancel(reference)  # before running jobs stop and free their resources for it
        self._ray.get(self._board.stop.remote())

    def _relay_messages(self) -> None:
        """Log and display the messages of workers."""
        by_key = {job.key: job for job in self._running.values()}
        for key, text in self._ray.get(self._board.read.remote()):
            self._started.add(key)
            job, message = by_key.get(key), json.loads(text)
            if job is None:
                continue
            relay(job.name, message["lines"])
            if progress := message["progress"]:
                self._update(job, RunProgress(**{**progress, "flags": tuple(progress["flags"])}))

    def _result(self, reference: Any, job: J) -> RunResult | None:
        """Return the result of a task. Return None if the executor submits the job again, cancels it, or cannot start it."""
        try:
            return _task_result(self._ray, reference, job)
        except Cancelled:
            return None
        except UserError as error:  # the job cannot start, and running jobs continue
            self._user_error = self._user_error or error
            self._closed = True
            if self._running:
                log.error("%s cannot start: %s; no more jobs start, and running jobs continue", job.name, error)
            return None
        except WorkerDied as death:
            self._deaths[job.key, type(death)] += 1
            most = MOST_LOST_NODES if isinstance(death, NodeLost) else RETRIES
            if not job.repeated or self._deaths[job.key, type(death)] > most or self._stop():
                return fail_job(job, str(death))
            if isinstance(death, NodeLost):
                job.record_stop(str(death))
            log.warning("%s: %s; it resumes from its last checkpoint, or restarts if it has none", job.name, death)
            self._submit(job)
            return None

    def _check_capacity(self) -> None:
        """Log once if no remaining node of a cluster has enough resources for the jobs that have not started."""
        if not self._cluster.address or self._capacity_warned or all(job.key in self._started for job in self._running.values()):
            return
        if not any(self._cluster.fits(node["Resources"]) for node in live_nodes(self._ray)):
            self._capacity_warned = True
            log.warning(
                "no remaining node has enough resources for a run: waiting for a node; add one, or press Ctrl-C to stop and keep the recorded runs"
            )

    def _shut_down(self) -> None:
        """Cancel running tasks, after an error or a second Ctrl-C, and remove the message board."""
        for reference in self._running:
            with suppress(Exception):  # Ray raises many kinds
                self._ray.cancel(reference, force=True)
        with suppress(Exception):
            self._ray.kill(self._board)


def _board_options(ray: Any, cluster: Cluster) -> dict[str, Any]:
    """Return the Ray options that place the message board on the node of the driver, so that losing another node does not lose it."""
    if not cluster.address:
        return {}
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)}


def _task_result(ray: Any, reference: Any, job: Job) -> RunResult:
    """Return the result of a task. Raises WorkerDied, Cancelled and UserError."""
    try:
        return RunResult(**json.loads(ray.get(reference)))
    except ray.exceptions.TaskCancelledError as error:
        raise Cancelled from error
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        reason = f"{type(error.cause).__name__}: {one_line(error.cause, most=500)}"
    except (ray.exceptions.NodeDiedError, ray.exceptions.LocalRayletDiedError) as error:
        raise NodeLost("its node was lost") from error
    except ray.exceptions.RayError as error:
        raise WorkerDied(f"killed (out of memory?): {one_line(error, most=500)}") from error
    return fail_job(job, reason)


def _ray_task(job_json: str, setup_json: str, board: Any) -> str:
    """Execute one job as a Ray task, and report to the message board."""
    setup = json.loads(setup_json)
    for name, value in setup["environment"].items():
        os.environ.setdefault(name, value)
    with sent(setup["classifier"]):
        # Not ray.get: while a task waits in it, Ray frees the core of the task and starts another one.
        return run_job(Job.from_json(job_json), lambda key, message: bool(board.post.remote(key, message).future().result(ANSWER_SECONDS)))


def run_job(job: Job, exchange: Callable[[str, str], bool]) -> str:
    """Execute a job, report its progress, and return its result as JSON."""
    with WorkerReporter(job.key, exchange) as reporter:
        result = attempt(job, reporter.stop, lambda progress: reporter.progress(asdict(progress)))
    return json.dumps(asdict(result))
