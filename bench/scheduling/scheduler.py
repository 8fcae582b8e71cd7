"""Scheduler that executes a suite: it skips finished runs, trains missing runs, and resumes interrupted ones."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.core.atomic_files import check_writable, make_folder
from bench.core.config import DATASETS, Evaluation
from bench.core.environment import source_commit
from bench.evaluation.evaluator import evaluator_for, unmeasurable
from bench.evaluation.reference_rows import rows_of
from bench.metrics.extractors import classifier_is_ready
from bench.runs.auto_choice import Auto, Choice, record_choices, resolve
from bench.runs.checkpointing import interval
from bench.runs.origin import origin
from bench.runs.pending_writes import deliver_earlier
from bench.runs.reference_rows import has_reference
from bench.runs.types import RunContext, RunProgress, RunResult
from bench.scheduling.cluster import HERE, Cluster, check_nodes
from bench.scheduling.estimate import Estimate, SpeedProbe, estimate
from bench.scheduling.executor import execute
from bench.scheduling.jobs import Job
from bench.scheduling.planner import TO_DO, PlannedAction, changed_versions, extend_actions, find_recorded, plan_actions
from bench.scheduling.suite import PlannedRun, Suite
from bench.scheduling.suite_jobs import ReferenceJob, RunJob, ScoreJob
from bench.tracking import store
from bench.tracking.client import Lookup, Tracker
from bench.tracking.results import REFERENCES
from bench.tracking.views import update_views

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExecutionResult:
    """Results of one call of `run_suite`."""

    results: tuple[RunResult, ...] = ()
    skipped: int = 0
    recorded: tuple[RunResult, ...] = ()  # skipped runs that another process has finished since the plan
    busy: tuple[RunResult, ...] = ()  # runs that another process trains, named in the reason
    interrupted: bool = False
    actions: tuple[PlannedAction, ...] = field(default=(), repr=False)

    def count(self, status: str) -> int:
        """Return the number of these runs with a final status."""
        return sum(result.status == status for result in self.results)


@dataclass(frozen=True, kw_only=True)
class ExecutionPlan:
    """Predicted actions for planned runs, and an estimate of their duration."""

    actions: tuple[PlannedAction, ...]
    estimate: Estimate
    workers: int
    cluster: Cluster = HERE
    auto: Mapping[str, Choice] = field(default_factory=dict)  # choices for `auto`, by kind of device. Empty if no run uses it

    @property
    def todo(self) -> list[PlannedAction]:
        """Actions other than `skip`."""
        return [action for action in self.actions if action.kind in TO_DO]


def plan_execution(
    suite: Suite, planned: Sequence[PlannedRun], *, uri: str, folder: Path, workers: int | None, cluster: Cluster = HERE,
    extend: bool = False, probe: bool = True, deliver: bool = False,
) -> ExecutionPlan:  # fmt: skip
    """Predict the actions for the runs of a suite and, with a probe of each variant, estimate their duration.

    Writes nothing, unless `deliver` is true. Then it first delivers the pending writes of earlier runs, so that these are not retrained.

    Raises UserError if the store, the folder, the data, a configuration or the cluster cannot be used.
    """
    interval()  # raises UserError before anything is written
    folder = folder / suite.name  # separate, because another suite may train the same run
    check_writable(folder)
    auto = Auto(uri, suite.name)
    configs = [resolve(run.config, auto) for run in planned]
    cluster = cluster.resolved(
        threads=max(config.threads for config in configs), cuda=any(config.device.startswith("cuda") for config in configs)
    )
    chosen = cluster.workers(workers)
    if cluster.address:
        check_nodes(cluster, folder, one_machine=["a SQLite store"] if store.sqlite_path(uri) else [])
    if deliver:
        deliver_earlier(folder, uri)
    lookup = Lookup.of(uri, suite.name)
    unready = set() if deliver else {config.dataset for config in configs if not classifier_is_ready(DATASETS.get(config.dataset))}
    for dataset in sorted(unready):
        log.warning(
            "%s has no classifier on this machine: ganbench trains it first, which takes minutes, so the duration is not estimated", dataset
        )
    recorded = find_recorded(planned, configs, lookup)
    probes = SpeedProbe(probe=probe and not unready)
    for run in recorded:
        if run.done is None:
            probes.check(run.config)
    actions = plan_actions(recorded, lookup, folder, unready=unready)
    if extend:
        actions = extend_actions(actions, lookup, folder)
    return ExecutionPlan(actions=tuple(actions), estimate=estimate(actions, probes), workers=chosen, cluster=cluster, auto=auto.used)


def run_suite(
    suite: Suite, execution_plan: ExecutionPlan, *, uri: str, folder: Path, stop: Callable[[], bool], display: Display, parent: str = "", wait: bool = True
) -> ExecutionResult:  # fmt: skip
    """Execute the planned actions of a suite, reference rows first, and return the results.

    Runs that other processes train come last. This process waits for these processes, and resumes a run that they do not complete. Without
    `wait`, it skips such runs. It records the runs under a new parent run, or under `parent`, which stays open.
    """
    folder = folder / suite.name
    tracker, actions = Tracker(uri, suite.name), execution_plan.actions
    record_choices(tracker, execution_plan.auto)
    for line in changed_versions(actions):
        log.warning("%s", line)
    for action in actions:
        if action.warning:
            log.warning("%s", action.warning)
    references = reference_jobs({(action.config.dataset, action.config.evaluation.how()) for action in actions}, uri, folder)
    skipped = sum(action.kind == "skip" for action in actions)
    if not execution_plan.todo and not references:
        return ExecutionResult(skipped=skipped, actions=actions)
    make_folder(folder)
    own = tracker.start_parent(f"{suite.name} execution", _parent_tags(suite)) if execution_plan.todo and not parent else ""
    jobs = JobQueue([*references, *(_job(action, suite, uri, folder, parent or own) for action in execution_plan.todo)], wait=wait)
    status = "failed"
    try:
        results = _execute(jobs, execution_plan, stop, display)
        interrupted = stop()
        status = "interrupted" if interrupted else "finished"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        if own:
            tracker.end_parent(own, status)
    if not parent:  # a study writes its views itself
        update_views(uri, tracker.client, suite.name)
    ended = tuple(result for result in results if result.status not in ("busy", "recorded"))
    busy = tuple(result for result in results if result.status == "busy")
    recorded = tuple(result for result in results if result.status == "recorded")
    return ExecutionResult(
        results=ended, skipped=skipped + len(recorded), recorded=recorded, busy=busy, interrupted=interrupted, actions=actions
    )


class Display:
    """Base class of progress displays. It shows nothing."""

    def start(self, jobs: Sequence[Job], *, workers: int, expected: Estimate) -> None:
        """Start the display, before the first job."""

    def update(self, job: Job, progress: RunProgress) -> None:
        """Show the progress of a job."""

    def end(self, job: Job, result: RunResult) -> None:
        """Show the result of a job."""


class JobQueue:
    """Queue of jobs. If another process trains a run, the job of that run moves to the end of the queue, where it waits for that process."""

    def __init__(self, jobs: Sequence[Job], *, wait: bool) -> None:
        self.jobs = jobs
        self._wait, self._postponed, self._running = wait, deque[Job](), 0

    def __iter__(self) -> Iterator[Job | None]:
        """Yield each job. Yield None while jobs are running and none is queued."""
        for job in self.jobs:
            self._running += 1
            yield job
        while self._running or self._postponed:
            if self._postponed:
                self._running += 1
            yield self._postponed.popleft() if self._postponed else None

    def complete(self, job: Job, result: RunResult) -> bool:
        """Count a job as done, and return True. Return False if the job is queued again, to wait for another process."""
        self._running -= 1
        postponed = job.waiting_job() if self._wait and result.status == "busy" else None
        if postponed is not None:
            self._postponed.append(postponed)
        return postponed is None


def _execute(queue: JobQueue, execution_plan: ExecutionPlan, stop: Callable[[], bool], display: Display) -> list[RunResult]:
    jobs = queue.jobs
    display.start(jobs, workers=execution_plan.workers, expected=execution_plan.estimate)
    results = []
    for job, result in execute(
        queue, workers=min(execution_plan.workers, len(jobs)), stop=stop, update=display.update, cluster=execution_plan.cluster
    ):
        if not queue.complete(job, result):
            continue
        display.end(job, result)
        if job.kind != "reference" or result.status == "failed":
            results.append(result)
    return results


def reference_jobs(wanted: Iterable[tuple[str, Evaluation]], uri: str, folder: Path) -> list[ReferenceJob]:
    """Return a job for each reference row of these datasets and evaluations that the store does not have."""
    jobs = []
    for dataset, evaluation in sorted(wanted, key=lambda pair: (pair[0], pair[1].model_dump_json())):
        evaluator = evaluator_for(DATASETS.get(dataset), evaluation)
        if evaluator is None:
            log.warning(
                "no metric can be measured on %s, so its runs have curves and pictures only: %s",
                dataset,
                unmeasurable(DATASETS.get(dataset)),
            )
            continue
        rows = Tracker(uri, REFERENCES)  # restores a deleted experiment, with its rows
        for kind in rows_of(DATASETS.get(dataset).spec):
            if not has_reference(rows, kind, evaluator):
                jobs.append(ReferenceJob.of(kind, dataset, evaluation, uri, str(folder)))
    return jobs


def _job(action: PlannedAction, suite: Suite, uri: str, folder: Path, parent: str) -> Job:
    if action.kind == "score":
        config = action.config
        return ScoreJob.of(
            action.run_id, variant=config.variant, seed=config.seed, dataset=config.dataset, evaluation=config.evaluation, uri=uri,
            folder=str(folder),
        )  # fmt: skip
    context = RunContext(
        uri=uri, suite=suite.name, folder=str(folder), parent=parent, track=suite.track, name=action.planned.name,
        note=action.planned.note, overrides=action.planned.overrides, tags=action.planned.tags,
        once=True, extends=action.base.run_id if action.base else "", extends_fingerprint=action.base.fingerprint if action.base else "",
    )  # fmt: skip
    return RunJob.of(action.config, context, action.fingerprint)


def _parent_tags(suite: Suite) -> dict[str, str]:
    settings = json.dumps(dict(suite.settings), sort_keys=True)
    return {
        "suite": suite.name,
        "idea": suite.idea,
        "settings": settings,
        "commit": commit_tag(),
        **origin(),
    }


def commit_tag() -> str:
    """Return the commit of this code, and whether the code has changed since, for a tag of a parent run."""
    commit, dirty = source_commit()
    return f"{commit or 'unknown'}{' (changed)' if dirty else ''}"
