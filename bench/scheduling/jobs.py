"""A job: one thing to do in an execution, here or in a worker. It is JSON, so that it travels to any machine.

What it does is named: one of ours, or `module:FUNCTION` of another package.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.core.config import RunConfig, load_config
from bench.core.errors import UserError, one_line
from bench.runs.checkpointing import interval
from bench.runs.lock import RunLocked
from bench.runs.pending_writes import end_all
from bench.runs.reference_rows import measure_reference
from bench.runs.rescore import score
from bench.runs.runner import run
from bench.runs.types import Place, RunProgress, RunResult, Watch
from bench.tracking.client import Tracker
from bench.tracking.delivery import answering

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing to do. `name` is what a display shows."""

    name: str
    kind: str  # run, score, reference, or module:FUNCTION, which is called as FUNCTION(arguments, stop, watch) -> RunResult
    key: str  # unique in an execution: the fingerprint, the run id, the reference's name
    arguments: dict[str, Any]
    folder: str
    dataset: str = ""  # that it measures on: a worker gets the classifier of this data, and trains none itself

    @staticmethod
    def of_run(config: RunConfig, place: Place, fingerprint: str) -> Job:
        """Train and measure. How often a checkpoint is kept is decided here, whatever a worker's environment says."""
        if place.checkpoint_seconds is None:
            place = replace(place, checkpoint_seconds=interval())
        arguments = {"config": config.canonical(), "place": asdict(place)}
        recipe = f" ({place.tags['recipe']})" if "recipe" in place.tags else ""
        return Job(
            name=f"{config.variant}{recipe} seed {config.seed}", kind="run", key=fingerprint, arguments=arguments, folder=place.folder,
            dataset=config.dataset,
        )  # fmt: skip

    def waiting(self) -> Job | None:
        """The same run once more, to wait for the process that trains it; None of a job that has waited, or that is no run."""
        if self.kind != "run" or self.arguments["place"]["wait"]:
            return None
        return replace(self, arguments={**self.arguments, "place": {**self.arguments["place"], "wait": True}})


Update = Callable[[Job, RunProgress], None]


def attempt(job: Job, stop: Callable[[], bool], watch: Watch) -> RunResult:
    """Do one job in this process. What it raises becomes a result that has failed, but for mistakes of the user."""
    try:
        return do(job, stop, watch)
    except UserError:
        raise
    except Exception as error:
        log.error("%s", job.name, exc_info=True)
        return failed(job, f"{type(error).__name__}: {one_line(error, most=500)}")


def do(job: Job, stop: Callable[[], bool], watch: Watch) -> RunResult:
    """Do one job in this process."""
    match job.kind:
        case "run":
            return run(load_config(job.arguments["config"]), Place(**job.arguments["place"]), stop=stop, watch=watch)
        case "score":
            return score(**job.arguments)
        case "reference":
            return measure_reference(**job.arguments)
    module, _, function = job.kind.partition(":")
    return getattr(importlib.import_module(module), function)(job.arguments, stop, watch)


def failed(job: Job, reason: str) -> RunResult:
    """Record a job whose process could not. One that trains no run itself only has a result."""
    log.error("%s failed: %s", job.name, reason)
    if job.kind != "run":
        return RunResult(run_id="", variant=job.name, dataset="", seed=-1, status="failed", reason=reason)
    config, place = load_config(job.arguments["config"]), Place(**job.arguments["place"])
    run_id = ""
    try:
        with answering(place.uri):
            end_all(Path(place.folder) / job.key, place.uri)
            run_id = _close(job, place, "failed", reason)
    except (UserError, RunLocked) as error:  # the next execution finds the run without its process, or another process has it
        log.warning("%s: it is not told that %s failed", error, job.name)
    return RunResult(run_id=run_id, variant=config.variant, dataset=config.dataset, seed=config.seed, status="failed", reason=reason)


def stopped(job: Job, reason: str) -> None:
    """Record that a run's process, on a machine that is lost, is gone: so the run can go on elsewhere."""
    if job.kind != "run":
        return
    place = Place(**job.arguments["place"])
    try:
        with answering(place.uri):
            _close(job, place, "interrupted", reason)
    except UserError as error:
        log.warning("%s: it is not told that %s was stopped", error, job.name)


def _close(job: Job, place: Place, status: str, reason: str) -> str:
    """End the run that a job has under way, and return its id; empty where there is none."""
    tracker = Tracker(place.uri, place.suite)
    run_id = next((str(found.info.run_id) for found in tracker.find(job.key) if found.data.tags.get("status") == "running"), "")
    if run_id:
        tracker.close(run_id, status, reason)
    return run_id
