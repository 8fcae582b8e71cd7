"""Jobs to results: one after another in this process, or side by side as Ray tasks. Both compute the same numbers.

A job is JSON, so that it travels to any worker; a worker tells of its progress, and of what it warns of, through small files
that the driver reads. What it does is named: one of ours, or `module:FUNCTION` of another package.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.config import RunConfig, load_config
from bench.delivery import answering
from bench.environment import cores
from bench.errors import UserError, one_line
from bench.record import RunProgress, Watch
from bench.references import measure_reference
from bench.run import Place, RunResult, kept_of, run
from bench.score import score
from bench.tracking import Tracker
from bench.waiting import end_all
from bench.worker_log import Relay, writing

log = logging.getLogger(__name__)
POLL_SECONDS = 0.3
RETRIES = 2  # of a run whose worker died: one that needs more memory than there is dies again


class WorkerDied(Exception):
    """The process that did a job is gone, killed for memory, say. The message says what is known."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing to do. `name` is what a display shows."""

    name: str
    kind: str  # run, score, reference, or module:FUNCTION, which is called as FUNCTION(arguments, stop, watch) -> RunResult
    key: str  # unique in an execution: the fingerprint, the run id, the reference's name
    arguments: dict[str, Any]
    folder: str

    @staticmethod
    def of_run(config: RunConfig, place: Place, fingerprint: str) -> Job:
        """Train and measure."""
        arguments = {"config": config.canonical(), "place": asdict(place)}
        recipe = f" ({place.tags['recipe']})" if "recipe" in place.tags else ""
        return Job(
            name=f"{config.variant}{recipe} seed {config.seed}", kind="run", key=fingerprint, arguments=arguments, folder=place.folder
        )

    @property
    def progress_file(self) -> Path:
        """Where a worker tells how far it is."""
        return Path(self.folder) / self.key / "progress.json"

    @property
    def warnings_file(self) -> Path:
        """Where a worker writes what it warns of."""
        return Path(self.folder) / self.key / "warnings.jsonl"


def do(job: Job, stop: Callable[[], bool], watch: Watch) -> RunResult:
    """Do one job here."""
    match job.kind:
        case "run":
            return run(load_config(job.arguments["config"]), Place(**job.arguments["place"]), stop=stop, watch=watch)
        case "score":
            return score(**job.arguments)
        case "reference":
            return measure_reference(**job.arguments)
    module, _, function = job.kind.partition(":")
    return getattr(importlib.import_module(module), function)(job.arguments, stop, watch)


def check_workers(workers: int | None, threads: int) -> int:
    """The number of workers to use: cores // threads unless given; more than that is a UserError."""
    most = max(1, cores() // threads)
    if workers is None:
        return most
    if not 1 <= workers <= most:
        raise UserError(f"--workers takes 1 to {most} here ({cores()} cores, {threads} thread(s) a run), not {workers}")
    return workers


Update = Callable[[Job, RunProgress], None]


def execute(
    jobs: Iterable[Job | None], *, workers: int, folder: Path, stop: Callable[[], bool], update: Update
) -> Iterator[tuple[Job, RunResult]]:
    """Do all jobs, yielding each as it ends. Stops giving out jobs once `stop()` is true.

    A job is asked for when a worker is free, so what comes may depend on what has ended; None means that there is none now and that
    there may be one later. `folder` is for the note by which workers are told to stop.
    """
    if workers > 1:
        ray = _start_ray(workers)
        if ray is not None:
            try:
                yield from _with_ray(ray, iter(jobs), workers, folder / f"stop-{os.getpid()}", stop, update)
            finally:
                ray.shutdown()
            return
    for job in jobs:
        if stop():
            return
        if job is None:
            time.sleep(POLL_SECONDS)
            continue
        yield job, do(job, stop, lambda progress, job=job: update(job, progress))  # type: ignore[misc]


def _start_ray(workers: int) -> Any | None:
    """Ray with that many cores on this machine, or None with a loud line that says why not."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # else whatever runs beside a benchmark slows it
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        log.warning(
            "RAY IS NOT INSTALLED: the runs go one after another, with the same numbers. `pip install 'ganbench[parallel]'` to use all cores."
        )
        return None
    try:
        ray.init(
            num_cpus=workers, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False,
            logging_level=logging.ERROR, configure_logging=True,
        )  # fmt: skip
    except Exception as error:  # Ray raises many kinds
        log.warning("RAY CANNOT START: the runs go one after another, with the same numbers. %s", one_line(error, most=200))
        return None
    return ray


def _with_ray(
    ray: Any, jobs: Iterator[Job | None], workers: int, stop_file: Path, stop: Callable[[], bool], update: Update
) -> Iterator[tuple[Job, RunResult]]:
    task = ray.remote(num_cpus=1, max_retries=0)(_work)
    running: dict[Any, tuple[Job, Relay]] = {}
    deaths: Counter[str] = Counter()

    def begin(job: Job) -> None:
        running[task.remote(json.dumps(asdict(job)), str(stop_file))] = job, Relay(job.name, job.warnings_file)

    mistake: UserError | None = None
    more = True
    try:
        while more or running:
            while more and len(running) < workers and not stop():
                try:
                    job = next(jobs)
                except StopIteration:
                    more = False
                    break
                if job is None:
                    time.sleep(POLL_SECONDS)
                    break
                begin(job)
            if stop():
                more = False
                stop_file.parent.mkdir(parents=True, exist_ok=True)  # no worker may have made it yet
                stop_file.touch()
            done, _ = ray.wait(list(running), timeout=POLL_SECONDS) if running else ([], [])
            for reference in done:
                job, relay = running.pop(reference)
                relay.close()
                _remove_if_empty(job.progress_file.parent)
                try:
                    result = _outcome(ray, reference, job)
                except UserError as error:  # it could not begin; those under way need not suffer for it
                    mistake = mistake or error
                    more = False
                    if running:
                        log.error("%s: %s; nothing else begins, what is under way goes on", job.name, error)
                    continue
                except WorkerDied as death:
                    deaths[job.key] += 1
                    if job.kind == "run" and deaths[job.key] <= RETRIES and not stop():
                        log.warning("%s: %s; it goes on from its last checkpoint", job.name, death)
                        begin(job)
                        continue
                    result = _failed(job, str(death))
                yield job, result
            for job, relay in running.values():
                relay.pass_on()
                _read_progress(job, update)
        if mistake:
            raise mistake
    finally:
        stop_file.unlink(missing_ok=True)


def _outcome(ray: Any, reference: Any, job: Job) -> RunResult:
    """The result of a task. Raises WorkerDied."""
    try:
        return RunResult(**json.loads(ray.get(reference)))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        reason = f"{type(error.cause).__name__}: {one_line(error.cause, most=500)}"
    except ray.exceptions.RayError as error:
        raise WorkerDied(f"killed (out of memory?): {one_line(error, most=500)}") from error
    return _failed(job, reason)


def _failed(job: Job, reason: str) -> RunResult:
    """Record a job whose process could not; what does no run of its own is left to whoever gave it out."""
    log.error("%s failed: %s", job.name, reason)
    if job.kind in ("score", "reference"):
        raise UserError(f"{job.name} failed: {reason}")
    if job.kind != "run":
        return RunResult(run_id="", variant=job.name, dataset="", seed=-1, status="failed", reason=reason)
    config, place = load_config(job.arguments["config"]), Place(**job.arguments["place"])
    run_id = ""
    try:
        with answering(place.uri):
            tracker = Tracker(place.uri, place.suite)
            end_all(Path(place.folder) / job.key, place.uri)
            run_id = next((found.info.run_id for found in tracker.find(job.key) if found.data.tags.get("status") == "running"), "")
            if run_id:
                tracker.close(run_id, "failed", reason)
        kept_of(Path(place.folder), job.key).remove()
    except UserError as error:  # the next execution finds the run without its process
        log.warning("%s: it is not told that %s failed", error, job.name)
    return RunResult(run_id=run_id, variant=config.variant, dataset=config.dataset, seed=config.seed, status="failed", reason=reason)


def _work(job_json: str, stop_file: str) -> str:
    """A Ray task: one job, its progress written where the driver looks."""
    job = Job(**json.loads(job_json))
    job.progress_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with writing(job.warnings_file):
            result = do(job, _Flag(Path(stop_file)), lambda progress: _write_progress(job, progress))
    finally:
        job.progress_file.unlink(missing_ok=True)
        _remove_if_empty(job.progress_file.parent)
    return json.dumps(asdict(result))


class _Flag:
    """Whether a file exists, asked of the disk at most a few times a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asked = 0.0
        self._set = False

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._set and now - self._asked > POLL_SECONDS:
            self._asked = now
            self._set = self._path.exists()
        return self._set


def _write_progress(job: Job, progress: RunProgress) -> None:
    temporary = job.progress_file.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(asdict(progress)))
    temporary.replace(job.progress_file)


def _read_progress(job: Job, update: Update) -> None:
    try:
        told = json.loads(job.progress_file.read_text())
        update(job, RunProgress(**{**told, "flags": tuple(told["flags"])}))
    except (FileNotFoundError, ValueError):
        return


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
