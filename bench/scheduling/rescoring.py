"""Rescoring of finished runs (`ganbench score`): select the runs, change their evaluation settings, and measure them again."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.config import DATASETS, Evaluation, RunConfig, check_settable, override
from bench.core.errors import UserError, nearest, one_line
from bench.evaluation.evaluator import check_samples, evaluator_for, unmeasurable
from bench.evaluation.generator import config_of
from bench.runs.types import RunResult
from bench.scheduling.cluster import HERE
from bench.scheduling.estimate import Estimate
from bench.scheduling.executor import execute
from bench.scheduling.jobs import Job
from bench.scheduling.scheduler import Display, reference_jobs
from bench.scheduling.suite_jobs import ScoreJob
from bench.tracking import store
from bench.tracking.artifacts import Artifacts, ArtifactStoreError
from bench.tracking.pages import every_experiment, every_run
from bench.tracking.results import REFERENCES, find_run
from bench.tracking.tags import seed_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

# Settings of the evaluation at the end of a run, which `--set` may change.
SETTABLE = (
    "evaluation.samples", "evaluation.batch_size", "evaluation.standard_errors", "evaluation.inception", "evaluation.inception_resize",
    "evaluation.inception_statistics", "evaluation.photo", "evaluation.cas",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """Finished run to measure again, with its configuration."""

    run_id: str
    variant: str
    dataset: str
    seed: int
    before: Mapping[str, float]  # the recorded metrics
    config: RunConfig | None  # None if its artifact is missing or damaged, which the run's job reports

    @property
    def evaluation(self) -> Evaluation:
        """Evaluation settings of the new measurement."""
        return self.config.evaluation if self.config else Evaluation()


def finished_runs(uri: str, run_ids: Sequence[str], suite: str | None, settings: Mapping[str, Any]) -> list[FinishedRun]:
    """Return the runs with these ids, or all finished runs of a suite, with changed evaluation settings. Writes nothing. Raises UserError."""
    check_settable(settings, SETTABLE, command="ganbench score")
    if not run_ids and suite is None:
        raise UserError("give the ids of the runs to measure again, or a suite as --suite NAME")
    client = store.connect(uri)
    runs = _runs_of_suite(client, suite) if suite is not None and not run_ids else _runs_by_id(client, run_ids, suite)
    found = [_finished_run(client, run, settings) for run in runs]
    for dataset, evaluation in {(run.dataset, run.evaluation.how()) for run in found}:
        evaluator = evaluator_for(DATASETS.get(dataset), evaluation)
        if evaluator is None:
            raise UserError(f"no metric can be measured on {dataset}: {unmeasurable(DATASETS.get(dataset))}")
        check_samples(evaluator)
    return found


@dataclass(frozen=True, kw_only=True)
class RescoreResult:
    """Results of rescored runs and of new reference rows."""

    runs: tuple[tuple[FinishedRun, RunResult], ...]  # the status of a run that cannot be measured is `failed`
    rows: tuple[RunResult, ...]  # reference rows that the store did not have

    @property
    def failed(self) -> bool:
        """True if a run or a reference row could not be measured."""
        return any(result.status != "finished" for result in (*self.rows, *(result for _, result in self.runs)))


def rescore(runs: Sequence[FinishedRun], *, uri: str, workers: int | None, stop: Callable[[], bool], display: Display) -> RescoreResult:
    """Measure missing reference rows, then the runs, and return the results."""
    chosen = HERE.resolved(threads=max(run.config.threads if run.config else 1 for run in runs), cuda=False).workers(workers)
    with tempfile.TemporaryDirectory(prefix="ganbench-") as folder:
        jobs: list[Job] = [*reference_jobs({(run.dataset, run.evaluation.how()) for run in runs}, uri, Path(folder))]
        jobs += [
            ScoreJob.of(
                run.run_id, variant=run.variant, seed=run.seed, dataset=run.dataset, evaluation=run.evaluation, uri=uri, folder=folder
            )
            for run in runs
        ]
        display.start(jobs, workers=chosen, expected=Estimate())
        ended: dict[str, RunResult] = {}
        rows: list[RunResult] = []
        for job, result in execute(jobs, workers=min(chosen, len(jobs)), stop=stop, update=display.update):
            display.end(job, result)
            if job.kind == "score":
                ended[job.key] = result
            else:
                rows.append(result)
    return RescoreResult(runs=tuple((run, ended[run.run_id]) for run in runs if run.run_id in ended), rows=tuple(rows))


def _runs_by_id(client: MlflowClient, run_ids: Sequence[str], suite: str | None) -> list[Run]:
    runs = {run.info.run_id: run for run in (find_run(client, run_id) for run_id in run_ids)}
    for run_id, run in runs.items():
        tags = run.data.tags
        if tags.get("kind") != "run":
            raise UserError(f"the run {run_id} is of the kind {tags.get('kind', 'unknown')!r}; give the id of a training run")
        if suite is not None and tags.get("suite") != suite:
            raise UserError(f"the run {run_id} is of the suite {tags.get('suite', '')!r}, not of {suite!r}; give only ids, without --suite")
        if tags.get("status") != "finished":
            raise UserError(f"the run {run_id} is {tags.get('status', 'without a status')}: give the id of a finished run")
    if suite is not None:
        raise UserError("give the ids of runs or --suite, not both")
    return list(runs.values())


def _runs_of_suite(client: MlflowClient, suite: str | None) -> list[Run]:
    known = {experiment.name: experiment.experiment_id for experiment in every_experiment(client)}
    if suite not in known:
        suites = [name for name in known if name not in (REFERENCES, "Default")]
        raise UserError(f"no results of a suite {suite!r}" + (nearest(str(suite), suites) or ": the store has no suites"))
    runs = every_run(client, [known[suite]], "tags.kind = 'run' and tags.status = 'finished'")
    if not runs:
        raise UserError(f"the suite {suite!r} has no finished run to measure again")
    return runs


def _finished_run(client: MlflowClient, run: Run, settings: Mapping[str, Any]) -> FinishedRun:
    run_id, tags = run.info.run_id, run.data.tags
    config: RunConfig | None = None
    try:
        config = config_of(run_id, Artifacts(client, {run_id: run.info.artifact_uri}))
    except ArtifactStoreError:
        raise
    except UserError as error:
        log.warning("cannot read the configuration of run %s: %s", run_id, one_line(error))
    return FinishedRun(
        run_id=run_id,
        variant=tags.get("variant", ""),
        dataset=tags.get("dataset", ""),
        seed=seed_of(tags),
        before=run.data.metrics,
        config=override(config, settings) if config else None,
    )
