"""Time to quality: the training time until the harness reaches the classifier-FID of a tutorial's loop after some epochs.

The target is the last value of the tutorial's loop, fixed in advance. Both loops are evaluated at the same numbers of images, on their
trained weights. For both loops, the result is the first point that reaches the target, without the time of evaluations. Both have the
same variant, batch size, learning rates, data and threads, with one seed each.
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
from bench.evaluation.evaluator import Evaluator, capabilities, evaluator_of
from bench.evaluation.samples import draw_samples
from bench.metrics.columns import FID_CLASSIFIER, card
from bench.runs.preparation import prepare
from bench.training.loop import train

MARKS_AN_EPOCH = 6  # evaluation points in each epoch


@dataclass(frozen=True, kw_only=True)
class QualityPoint:
    """A classifier-FID, with the images and seconds of training up to it."""

    value: float
    images: int
    seconds: float


def tutorial_quality(config_json: str, epochs: int) -> list[QualityPoint]:
    """Train the tutorial's loop and return its quality at each evaluation point."""
    from bench.perf.loops import Tutorial

    config, evaluator = _ready(config_json)
    torch.manual_seed(config.seed)
    tutorial = Tutorial(config)
    steps, size, seconds = tutorial.steps(), config.recipe.batch_size, 0.0
    found: list[QualityPoint] = []
    for mark in _marks(config, epochs):
        done = found[-1].images if found else 0
        started = time.perf_counter()
        while done < mark:
            next(steps)
            done += size
        seconds += time.perf_counter() - started
        found.append(QualityPoint(value=_value(evaluator, tutorial.networks, torch.device("cpu")), images=done, seconds=seconds))
    return found


def harness_quality(config_json: str, target: float, epochs: int) -> QualityPoint | None:
    """Train with the harness until it reaches the target. Returns None if it does not reach the target within `epochs`."""
    keep_freed_memory()  # like `run`
    config, _ = _ready(config_json)
    marks = list(_marks(config, epochs))
    config = override(config, {"budget.images": round(marks[-1])})
    torch.set_num_threads(config.threads)
    work = prepare(config)
    assert work.evaluator is not None  # `_ready` raises without an evaluator
    for progress in train(work.trainer, marks):
        value = _value(work.evaluator, work.trainer.eval_networks, work.device)
        if value <= target:
            return QualityPoint(value=value, images=progress.images, seconds=progress.train_seconds)
    return None


def first_as_good(found: list[QualityPoint], target: float) -> QualityPoint:
    """Return the first point that reaches the target. The last point always does."""
    return next(point for point in found if point.value <= target)


def _ready(config_json: str) -> tuple[RunConfig, Evaluator]:
    """Return the configuration with classifier-FID as the headline, whatever the headline of its dataset, and the evaluator."""
    load_catalogs()
    config = load_config(config_json)
    dataset = DATASETS.get(config.dataset)
    if not capabilities(dataset).issuperset(card(FID_CLASSIFIER).needs):
        raise UserError(
            f"time to quality needs the classifier-FID, which {config.dataset} does not have: omit the part, or choose another dataset"
        )
    config = override(config, {"evaluation.headline": FID_CLASSIFIER})
    evaluator = evaluator_of(dataset, config.evaluation)
    evaluator.prepare()
    return config, evaluator


def _marks(config: RunConfig, epochs: int) -> Iterator[float]:
    epoch = len(DATASETS.get(config.dataset).split("train"))
    return (epoch * mark / MARKS_AN_EPOCH for mark in range(1, epochs * MARKS_AN_EPOCH + 1))


def _value(evaluator: Evaluator, networks: Networks, device: torch.device) -> float:
    samples = draw_samples(evaluator, networks, seed=0, batch_size=500, device=device, whole=False)
    return evaluator.curve(samples.data).values[FID_CLASSIFIER]
