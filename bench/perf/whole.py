"""Whole runs and a whole suite: what tracking, evaluation and pictures cost beside training."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from bench.config import RunConfig, load_config, override
from bench.errors import UserError
from bench.execute import Job, execute
from bench.perf.host import environment_of
from bench.run import Place, run
from bench.train import never

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The seconds of one run, by what they went to."""

    images: int
    wall: float
    train: float
    evaluate: float
    log: float

    @property
    def rest(self) -> float:
        """Making networks and data ready, pictures, checkpoints."""
        return self.wall - self.train - self.evaluate - self.log

    def at(self, images: int) -> Whole:
        """The same run with a longer budget: training takes longer, and all else, whose marks are as many, takes as long."""
        longer = self.train * images / self.images
        return Whole(images=images, wall=self.wall + longer - self.train, train=longer, evaluate=self.evaluate, log=self.log)


def in_process(function: Callable[..., Found], *arguments: Any, threads: int) -> Found:
    """What a function of this module or another gives in a fresh process with so many threads."""
    with environment_of(threads), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def whole_run(config_json: str) -> Whole:
    """One run with tracking and evaluation, in a store of its own that is thrown away."""
    from bench.registry import load_catalogs

    load_catalogs()
    config = load_config(config_json)
    with tempfile.TemporaryDirectory(prefix="ganbench-perf-") as folder:
        started = time.perf_counter()
        ended = run(config, _place(Path(folder)))
        wall = time.perf_counter() - started
    values = _finished(ended)
    return Whole(
        images=round(values["perf/images_per_second"] * values["perf/train_seconds"]), wall=wall, train=values["perf/train_seconds"],
        evaluate=values["perf/evaluate_seconds"], log=values["perf/log_seconds"],
    )  # fmt: skip


def suite_rate(config: RunConfig, *, workers: int, seconds: float) -> float:
    """Images a second of as many runs side by side as there are workers, each a task of the suite's executor; tracked, measured little."""
    settings = {"budget.train_seconds": seconds, "evaluation.marks": 0, "evaluation.samples": 100, "evaluation.standard_errors": False}
    with tempfile.TemporaryDirectory(prefix="ganbench-perf-") as name:
        place = _place(Path(name))
        configs = [override(config, {**settings, "seed": seed}) for seed in range(workers)]
        jobs = [Job.of_run(each, place, f"{each.variant}-{each.seed}") for each in configs]
        ended = [result for _, result in execute(jobs, workers=workers, stop=never, update=lambda job, progress: None)]
    return sum(_finished(result)["perf/images_per_second"] for result in ended)


def _place(folder: Path) -> Place:
    return Place(uri=f"sqlite:///{folder / 'mlflow.db'}", suite="perf", folder=str(folder / "runs"))


def _finished(result: Any) -> Mapping[str, float]:
    if result.status != "finished":
        raise UserError(f"{result.variant} did not finish: {result.status} {result.reason}")
    values: Mapping[str, float] = result.values
    return values
