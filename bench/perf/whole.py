"""Time complete runs: the cost of tracking, evaluation and pictures next to training."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from bench.core.config import load_config
from bench.core.errors import UserError
from bench.metrics.columns import IMAGES_PER_SECOND, TRAIN_SECONDS
from bench.perf.host import environment_of
from bench.runs.runner import run
from bench.runs.types import RunContext
from bench.tracking import store

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """The seconds of one run by activity. `wall` is the total."""

    images: int
    wall: float
    train: float
    evaluate: float
    log: float

    @property
    def rest(self) -> float:
        """Seconds for setup, pictures and checkpoints."""
        return self.wall - self.train - self.evaluate - self.log

    def at(self, images: int, images_per_second: float) -> RunTimes:
        """Extrapolate to a longer budget at this training rate. The number of evaluation points, and so all other costs, stay the same."""
        longer = images / images_per_second
        return RunTimes(images=images, wall=self.wall + longer - self.train, train=longer, evaluate=self.evaluate, log=self.log)


def in_process(function: Callable[..., Result], *arguments: Any, threads: int) -> Result:
    """Return the result of a function in a new process with so many threads. Raises UserError if the process exits without a result."""
    with environment_of(threads), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise UserError("a process of `ganbench perf` exited without a result: if memory is full, free some") from error


def whole_run(config_json: str) -> RunTimes:
    """Time one run with tracking and evaluation in a temporary store.

    The statistics of real images and the store are created before the timing starts. Raises UserError if the run does not finish.
    """
    from bench.core.registry import load_catalogs
    from bench.runs.preparation import prepare

    load_catalogs()
    config = load_config(config_json)
    evaluator = prepare(config).evaluator
    if evaluator is not None:
        evaluator.prepare()
    with tempfile.TemporaryDirectory(prefix="ganbench-perf-") as name:
        context = RunContext(uri=f"sqlite:///{Path(name) / 'mlflow.db'}", suite="perf", folder=str(Path(name) / "runs"))
        store.create(context.uri)
        started = time.perf_counter()
        ended = run(config, context)
        wall = time.perf_counter() - started
    if ended.status != "finished":
        raise UserError(f"the run of {config.variant} must finish, but its status is {ended.status}: {ended.reason}; omit this model")
    values = ended.values
    return RunTimes(
        images=round(values[IMAGES_PER_SECOND] * values[TRAIN_SECONDS]), wall=wall, train=values[TRAIN_SECONDS],
        evaluate=values["perf/evaluate_seconds"], log=values["perf/log_seconds"],
    )  # fmt: skip
