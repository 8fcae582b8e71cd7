"""Jobs of a suite: train a run, score a finished run, or measure a reference row."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from bench.core.config import Evaluation, RunConfig, short_hash
from bench.core.errors import UserError
from bench.runs.checkpointing import interval
from bench.runs.lock import RunLocked
from bench.runs.pending_writes import deliver_dead_run
from bench.runs.reference_rows import measure_reference
from bench.runs.rescoring import score
from bench.runs.runner import run
from bench.runs.types import RunContext, RunResult, Watch
from bench.scheduling.jobs import Job
from bench.tracking.client import Tracker
from bench.tracking.delivery import store_errors
from bench.tracking.results import REFERENCES

log = logging.getLogger(__name__)


class RunJob(Job):
    """Job that trains and evaluates a run."""

    kind: ClassVar[str] = "run"
    config: RunConfig
    context: RunContext

    @staticmethod
    def of(config: RunConfig, context: RunContext, fingerprint: str) -> RunJob:
        """Return the job of a run. The driver sets the time between checkpoints, so the environment of workers does not change it."""
        if context.checkpoint_seconds is None:
            context = replace(context, checkpoint_seconds=interval())
        recipe = f" ({context.tags['recipe']})" if "recipe" in context.tags else ""
        name = f"{config.variant}{recipe} {config.seed_words}"
        return RunJob(name=name, key=fingerprint, folder=context.folder, dataset=config.dataset, config=config, context=context)

    def do(self, stop: Callable[[], bool], watch: Watch) -> RunResult:
        """Execute the job in this process."""
        return run(self.config, self.context, stop=stop, watch=watch)

    def record_failure(self, reason: str) -> RunResult:
        """Record the run as failed if it is recorded as running."""
        config, context, run_id = self.config, self.context, ""
        try:
            with store_errors(context.uri):
                deliver_dead_run(Path(context.folder) / self.key, context.uri)
                run_id = self._close("failed", reason)
        except (UserError, RunLocked) as error:  # the next command finds the dead process, or another process holds the lock
            log.warning("cannot record that %s failed: %s", self.name, error)
        return RunResult(run_id=run_id, variant=config.variant, dataset=config.dataset, seed=config.seed, status="failed", reason=reason)

    def record_stop(self, reason: str) -> None:
        """Record the run as interrupted."""
        try:
            with store_errors(self.context.uri):
                self._close("interrupted", reason)
        except UserError as error:
            log.warning("cannot record that %s is interrupted: %s", self.name, error)

    def waiting_job(self) -> RunJob | None:
        """Return a copy of the job that waits for the process that trains the run. The result is None if this job waits already."""
        return None if self.context.wait else self.model_copy(update={"context": replace(self.context, wait=True)})

    def _close(self, status: str, reason: str) -> str:
        """End the run that is recorded as running, and return its id. The id is empty if no run is running."""
        tracker = Tracker(self.context.uri, self.context.suite)
        run_id = next((str(found.info.run_id) for found in tracker.find(self.key) if found.data.tags.get("status") == "running"), "")
        if run_id:
            tracker.close(run_id, status, reason)
        return run_id


class ScoreJob(Job):
    """Job that measures a finished run again. `key` is its run id."""

    kind: ClassVar[str] = "score"
    uri: str
    evaluation: Evaluation

    @staticmethod
    def of(run_id: str, *, variant: str, seed: int, dataset: str, evaluation: Evaluation, uri: str, folder: str) -> ScoreJob:
        """Return the job for a run and an evaluation."""
        name = f"{variant} seed {seed} measured again"
        return ScoreJob(name=name, key=run_id, folder=folder, dataset=dataset, uri=uri, evaluation=evaluation)

    def do(self, stop: Callable[[], bool], watch: Watch) -> RunResult:
        """Execute the job in this process."""
        return score(run_id=self.key, uri=self.uri, evaluation=self.evaluation)


class ReferenceJob(Job):
    """Job that measures a reference row: `real` images, or samples of an `untrained` generator."""

    kind: ClassVar[str] = "reference"
    row: str  # real or untrained
    uri: str
    evaluation: Evaluation

    @staticmethod
    def of(row: str, dataset: str, evaluation: Evaluation, uri: str, folder: str) -> ReferenceJob:
        """Return the job for a row, a dataset and an evaluation."""
        key = f"{REFERENCES}-{row}-{dataset}-{short_hash(evaluation.model_dump())}"
        return ReferenceJob(name=f"reference row: {row}", key=key, folder=folder, dataset=dataset, row=row, uri=uri, evaluation=evaluation)

    def do(self, stop: Callable[[], bool], watch: Watch) -> RunResult:
        """Execute the job in this process."""
        return measure_reference(self.row, self.dataset, self.evaluation, self.uri)
