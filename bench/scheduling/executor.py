"""Jobs to results: one after another in this process, or side by side as Ray tasks. Both compute the same numbers."""

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
    """Do all jobs, yielding each as it ends. Stops giving out jobs once `stop()` is true.

    A job is asked for when a worker is free, so what comes may depend on what has ended; None means that there is none now and that
    there may be one later.
    """
    given: Iterator[J | None] = iter(jobs)
    if cluster.address:
        yield from RayExecutor[J](connect(cluster), cluster, workers, stop, update).results(given)
        return
    if workers > 1:
        ray = start(workers)
        if ray is not None:
            try:
                yield from RayExecutor[J](ray, cluster, workers, stop, update).results(given)
            finally:
                ray.shutdown()
            return
    for job in given:
        if stop():
            return
        if job is None:
            time.sleep(POLL_SECONDS)
            continue
        yield job, attempt(job, stop, lambda progress, job=job: update(job, progress))  # type: ignore[misc]
