"""Time to quality: how soon the harness has the classifier-FID that a tutorial's loop has after some epochs.

Said beforehand: the tutorial's last value is the target. Both are measured at the same numbers of images on their live weights, and the
first value that is as good counts, the tutorial's too. Both are timed on the training clock: measuring is on nobody's. The same variant,
batch size, learning rates, data and threads; one seed each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from bench.core.config import DATASETS, RunConfig, load_config, override
from bench.core.errors import UserError
from bench.core.memory import keep_freed_memory
from bench.core.registry import load_catalogs
from bench.core.spec import Networks
from bench.evaluation.evaluator import Evaluator, draw, evaluator_for
from bench.metrics.cards import HEADLINE
from bench.runs.preparation import prepare
from bench.training.loop import train

MARKS_AN_EPOCH = 6


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A classifier-FID, after how many images and seconds of training."""

    value: float
    images: int
    seconds: float


def tutorial_quality(config_json: str, epochs: int) -> list[Reached]:
    """What the tutorial's loop has at each mark of so many epochs."""
    from bench.perf.loops import Tutorial

    config, evaluator = _ready(config_json)
    torch.manual_seed(config.seed)
    tutorial = Tutorial(config)
    steps, size, seconds = tutorial.steps(), config.recipe.batch_size, 0.0
    found: list[Reached] = []
    for mark in _marks(config, epochs):
        done = found[-1].images if found else 0
        started = time.perf_counter()
        while done < mark:
            next(steps)
            done += size
        seconds += time.perf_counter() - started
        found.append(Reached(value=_value(evaluator, tutorial.networks, torch.device("cpu")), images=done, seconds=seconds))
    return found


def harness_quality(config_json: str, target: float, epochs: int) -> Reached | None:
    """When the harness is as good; None if it is not in so many epochs."""
    keep_freed_memory()  # as `run` does
    config, _ = _ready(config_json)
    marks = list(_marks(config, epochs))
    config = override(config, {"budget.images": round(marks[-1])})
    torch.set_num_threads(config.threads)
    work = prepare(config)
    assert work.evaluator is not None  # `_ready` has seen it
    for progress in train(work.trainer, marks):
        value = _value(work.evaluator, work.trainer.eval_networks, work.device)
        if value <= target:
            return Reached(value=value, images=progress.images, seconds=progress.train_seconds)
    return None


def first_as_good(found: list[Reached], target: float) -> Reached:
    """The first of them that is as good as the target, which the last one is."""
    return next(reached for reached in found if reached.value <= target)


def _ready(config_json: str) -> tuple[RunConfig, Evaluator]:
    load_catalogs()
    config = load_config(config_json)
    evaluator = evaluator_for(DATASETS.get(config.dataset), config.evaluation)
    if evaluator is None or evaluator.headline != HEADLINE:
        raise UserError(f"time to quality is measured by classifier-FID, which {config.dataset} has not: leave the part quality out")
    evaluator.prepare()
    return config, evaluator


def _marks(config: RunConfig, epochs: int) -> Iterator[float]:
    epoch = len(DATASETS.get(config.dataset).split("train"))
    return (epoch * mark / MARKS_AN_EPOCH for mark in range(1, epochs * MARKS_AN_EPOCH + 1))


def _value(evaluator: Evaluator, networks: Networks, device: torch.device) -> float:
    samples = draw(evaluator, networks, seed=0, batch_size=500, device=device, whole=False)
    return evaluator.curve(samples.data).values[HEADLINE]
