"""Jobs side by side, as tasks of Ray: on the cores of this machine, or on the nodes of a cluster."""

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
from bench.scheduling.cluster import Cluster, alive
from bench.scheduling.jobs import J, Job, Update, attempt, failed
from bench.scheduling.messages import MessageBoard, WorkerReporter, relay

log = logging.getLogger(__name__)
POLL_SECONDS = 0.3
RETRIES = 2  # of one whose worker died: what needs more memory than there is dies again
ANSWER_SECONDS = 60.0  # for the board to answer a worker; without an answer it takes the driver to be gone, and stops
MOST_LOST_NODES = 10  # of a run; more, and something else is wrong
_PASSED_ON = "GANBENCH_"  # variables of the environment that workers get; MLflow's hold passwords, and nodes have their own


class WorkerDied(Exception):
    """The process that did a job is gone, killed for memory, say. The message says what is known."""


class NodeLost(WorkerDied):
    """It is gone with its machine."""


class Cancelled(Exception):
    """The job had not begun when all was stopped."""


class RayExecutor(Generic[J]):
    """An execution whose jobs are tasks. Calls `stop()` often, and `update` with every progress that is told."""

    def __init__(self, ray: Any, cluster: Cluster, workers: int, stop: Callable[[], bool], update: Update) -> None:
        self._ray, self._cluster, self._workers, self._stop, self._update = ray, cluster, workers, stop, update
        self._board = ray.remote(num_cpus=0)(MessageBoard).options(**_beside_the_driver(ray, cluster)).remote()
        self._task = ray.remote(**cluster.options(), max_retries=0)(_work)
        self._running: dict[Any, J] = {}
        self._classifiers: dict[str, str] = {}  # as they are sent, by dataset
        self._begun: set[str] = set()  # the keys of jobs whose workers have told something
        self._deaths: Counter[tuple[str, type[WorkerDied]]] = Counter()
        self._mistake: UserError | None = None
        self._closed = False  # no more jobs are given out
        self._without_room = False

    def results(self, jobs: Iterator[J | None]) -> Iterator[tuple[J, RunResult]]:
        """Each job and what came of it, as it ends. Raises the UserError of the first that could not begin, at the end."""
        try:
            while not self._closed or self._running:
                self._give_out(jobs)
                if self._stop():
                    self._stop_all()
                done, _ = self._ray.wait(list(self._running), timeout=POLL_SECONDS) if self._running else ([], [])
                self._pass_on()
                for reference in done:
                    job = self._running.pop(reference)
                    if (result := self._result(reference, job)) is not None:
                        yield job, result
                self._look_for_room()
            if self._mistake:
                raise self._mistake
        finally:
            self._end()

    def _give_out(self, jobs: Iterator[J | None]) -> None:
        while not self._closed and len(self._running) < self._workers and not self._stop():
            try:
                job = next(jobs)
            except StopIteration:
                self._closed = True
                return
            if job is None:
                time.sleep(POLL_SECONDS)
                return
            self._begin(job)

    def _begin(self, job: J) -> None:
        passed_on = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
        self._begun.discard(job.key)
        given = json.dumps({"environment": passed_on, "classifier": self._classifier(job.dataset)})
        self._running[self._task.remote(job.model_dump_json(), given, self._board)] = job

    def _classifier(self, dataset: str) -> str:
        """The classifier that workers measure this data with, trained here if need be; empty where it needs none."""
        if dataset not in self._classifiers:
            data = DATASETS.get(dataset) if dataset else None
            self._classifiers[dataset] = "" if data is None or unmeasurable(data) else packed_classifier(data)
        return self._classifiers[dataset]

    def _stop_all(self) -> None:
        """No more jobs; those under way are told, those that wait for room are not begun."""
        if self._closed and not self._running:
            return
        self._closed = True
        for reference, job in self._running.items():
            if job.key not in self._begun:
                self._ray.cancel(reference)  # before those under way stop, and make room for it
        self._ray.get(self._board.stop.remote())

    def _pass_on(self) -> None:
        """Show what the workers have told."""
        by_key = {job.key: job for job in self._running.values()}
        for key, text in self._ray.get(self._board.read.remote()):
            self._begun.add(key)
            job, told = by_key.get(key), json.loads(text)
            if job is None:
                continue
            relay(job.name, told["lines"])
            if told["progress"]:
                self._update(job, RunProgress(**{**told["progress"], "flags": tuple(told["progress"]["flags"])}))

    def _result(self, reference: Any, job: J) -> RunResult | None:
        """What came of a task; None where its job has not ended: it goes on in another worker, or could not begin."""
        try:
            return _outcome(self._ray, reference, job)
        except Cancelled:
            return None
        except UserError as error:  # it could not begin; those under way need not suffer for it
            self._mistake = self._mistake or error
            self._closed = True
            if self._running:
                log.error("%s: %s; nothing else begins, what is under way goes on", job.name, error)
            return None
        except WorkerDied as death:
            self._deaths[job.key, type(death)] += 1
            most = MOST_LOST_NODES if isinstance(death, NodeLost) else RETRIES
            if not job.repeated or self._deaths[job.key, type(death)] > most or self._stop():
                return failed(job, str(death))
            if isinstance(death, NodeLost):
                job.record_stop(str(death))
            log.warning("%s: %s; it goes on from its last checkpoint, or begins again where there is none", job.name, death)
            self._begin(job)
            return None

    def _look_for_room(self) -> None:
        """Say so, once, when what is left of a cluster has no room for what waits."""
        if not self._cluster.address or self._without_room or all(job.key in self._begun for job in self._running.values()):
            return
        if not any(self._cluster.fits(node["Resources"]) for node in alive(self._ray)):
            self._without_room = True
            log.warning("no node that is left has room for a run: waiting for one (Ctrl-C stops; what is there is kept)")

    def _end(self) -> None:
        """Cancel what still runs, after an error or a second Ctrl-C, and take the board down."""
        for reference in self._running:
            with suppress(Exception):  # Ray raises many kinds
                self._ray.cancel(reference, force=True)
        with suppress(Exception):
            self._ray.kill(self._board)


def _beside_the_driver(ray: Any, cluster: Cluster) -> dict[str, Any]:
    """Where the board is to be: not on a node that may be lost while the driver is there."""
    if not cluster.address:
        return {}
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)}


def _outcome(ray: Any, reference: Any, job: Job) -> RunResult:
    """The result of a task. Raises WorkerDied, and Cancelled."""
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
    return failed(job, reason)


def _work(job_json: str, given_json: str, board: Any) -> str:
    """A task: one job, of which the board is told."""
    given = json.loads(given_json)
    for name, value in given["environment"].items():
        os.environ.setdefault(name, value)
    with sent(given["classifier"]):
        # Not ray.get: Ray takes a task that waits in it to need no core, and begins another.
        return work(Job.from_json(job_json), lambda key, told: bool(board.tell.remote(key, told).future().result(ANSWER_SECONDS)))


def work(job: Job, exchange: Callable[[str, str], bool]) -> str:
    """Do a job, telling of it; its result as JSON."""
    with WorkerReporter(job.key, exchange) as messenger:
        result = attempt(job, messenger.stop, lambda progress: messenger.progress(asdict(progress)))
    return json.dumps(asdict(result))
