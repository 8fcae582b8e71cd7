"""Time to quality: how soon the harness has the classifier-FID that a tutorial's loop has after some epochs.

Said beforehand: the tutorial is scored on its live weights, for it has no others, after its last epoch. The harness is scored on the
moving average of its weights (half-life `EMA_IMAGES`), which a user turns on with one setting, at every mark; the first that is as good
counts. Both are timed on the training clock: measuring is on nobody's. The same variant, batch size, learning rates, data and threads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from bench.assemble import prepare
from bench.config import DATASETS, load_config, override
from bench.evaluate import draw, evaluator_for
from bench.registry import load_catalogs
from bench.train import train

EMA_IMAGES = 10_000
MARKS_AN_EPOCH = 12


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A classifier-FID, after how many images and seconds of training."""

    value: float
    images: int
    seconds: float


def tutorial_quality(config_json: str, epochs: int) -> Reached:
    """What the tutorial's loop reaches in so many epochs."""
    from bench.perf.loops import Tutorial

    load_catalogs()
    config = load_config(config_json)
    torch.manual_seed(config.seed)
    tutorial, dataset = Tutorial(config), DATASETS.get(config.dataset)
    steps = tutorial.steps()
    started = time.perf_counter()
    for _ in range(epochs * len(tutorial.batches)):
        next(steps)
    seconds = time.perf_counter() - started
    evaluator = evaluator_for(dataset, config.evaluation)
    assert evaluator is not None
    samples = draw(evaluator, tutorial.networks, seed=0, batch_size=500, device=torch.device("cpu"), whole=False)
    value = evaluator.curve(samples.data).values[evaluator.headline]
    return Reached(value=value, images=epochs * len(tutorial.batches) * config.recipe.batch_size, seconds=seconds)


def harness_quality(config_json: str, target: float, epochs: int) -> Reached | None:
    """When the harness is as good; None if it is not in so many epochs."""
    load_catalogs()
    config = load_config(config_json)
    epoch = len(DATASETS.get(config.dataset).split("train"))
    config = override(config, {"recipe.ema_half_life_images": EMA_IMAGES, "budget.images": epochs * epoch})
    torch.set_num_threads(config.threads)
    work = prepare(config)
    assert work.evaluator is not None
    marks = [epoch * mark / MARKS_AN_EPOCH for mark in range(1, epochs * MARKS_AN_EPOCH + 1)]
    for progress in train(work.trainer, marks):
        samples = draw(work.evaluator, work.trainer.scored, seed=0, batch_size=500, device=work.device, whole=False)
        value = work.evaluator.curve(samples.data).values[work.evaluator.headline]
        if value <= target:
            return Reached(value=value, images=progress.images, seconds=progress.train_seconds)
    return None
