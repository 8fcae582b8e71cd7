"""Executor of jobs: one after another in this process, or in parallel as Ray tasks. Both compute the same numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from bench.runs.types import RunResult
from bench.scheduling.cluster import HERE, Cluster, connect, start
from bench.scheduling.jobs import J, Update, attempt
from bench.scheduling.ray_executor import POLL_SECONDS, RayExecutor


def execute(
    jobs: Iterable[J | None], *, workers: int, stop: Callable[[], bool], update: Update, cluster: Cluster = HERE
) -> Iterator[tuple[J, RunResult]]:
    """Execute jobs, and yield each job with its result when it ends. Once `stop()` is true, no more jobs start.

    The executor reads `jobs` when a worker is free, so later jobs may depend on earlier results. An item None means that no job is
    ready, but another job may follow.
    """
    queue: Iterator[J | None] = iter(jobs)
    if cluster.address:
        yield from RayExecutor[J](connect(cluster), cluster, workers, stop, update).results(queue)
        return
    if workers > 1:
        ray = start(workers)
        if ray is not None:
            try:
                yield from RayExecutor[J](ray, cluster, workers, stop, update).results(queue)
            finally:
                ray.shutdown()
            return
    for job in queue:
        if stop():
            return
        if job is None:
            time.sleep(POLL_SECONDS)
            continue
        yield job, attempt(job, stop, lambda progress, job=job: update(job, progress))  # type: ignore[misc]
