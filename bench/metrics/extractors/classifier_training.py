"""Training of the extractor `classifier` of a labelled dataset."""

from __future__ import annotations

import hashlib
import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from bench.core import random_streams
from bench.core.errors import UserError
from bench.core.spec import Dataset, Examples
from bench.data.progress import Advance
from bench.metrics.extractors.classifier import Classifier, ExtractorCard
from bench.metrics.extractors.training_plan import TrainingPlan

log = logging.getLogger(__name__)
SEED = 0
BLOCK_VALUES = 2**19  # pixel values in one batch of an evaluation


def _silent(count: int) -> None:
    """Ignore progress."""


def augment(images: Tensor, plan: TrainingPlan, noise: torch.Generator) -> Tensor:
    """Shift a batch of uint8 images by a few pixels, pad it with zeros, and mirror half of it. Returns uint8."""
    height, width = images.shape[2:]
    top, left = torch.randint(0, 2 * plan.shift + 1, (2,), generator=noise).tolist()
    moved = functional.pad(images, (plan.shift,) * 4)[:, :, top : top + height, left : left + width]
    if not plan.flip:
        return moved
    mirrored = torch.rand(len(images), 1, 1, 1, generator=noise) < 0.5
    return torch.where(mirrored, moved.flip(3), moved)


def make_outliers(images: Tensor, noise: torch.Generator) -> Tensor:
    """Return outliers uint8 [N, C, H, W] from images of that type and shape.

    A quarter each is plain noise, images with strong noise, two blended images, and images with swapped quarters.
    """

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(like), 1, 1, 1, generator=noise)

    def gaussian(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=noise)

    height, width = images.shape[2:]
    plain, drowned, mixed, swapped = images.float().tensor_split(4)
    weight = uniform(mixed, 0.35, 0.65)
    parts = [
        uniform(plain, -128, 384) + uniform(plain, 0, 128) * gaussian(plain),
        drowned + uniform(drowned, 64, 128) * gaussian(drowned),
        weight * mixed + (1 - weight) * mixed.roll(1, dims=0),
        swapped.roll((height // 2, width // 2), dims=(2, 3)),
    ]
    return torch.cat(parts).clamp(0, 255).round().to(torch.uint8)


def fit(network: Classifier, train: Examples, plan: TrainingPlan, noise: torch.Generator, advance: Advance = _silent) -> None:
    """Train by cross-entropy with AdamW and one cycle of the learning rate. A second head distinguishes images from outliers.

    Outlier exposure (Hendrycks et al. 2019, arXiv 1812.04606) separates other images from real ones in the features, which
    precision needs. The classifier does not include the second head. Calls `advance` with the size of each batch.
    """
    assert train.labels is not None
    judge = nn.Linear(plan.dims, 1)
    parameters = [*network.parameters(), *judge.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=plan.lr, weight_decay=plan.weight_decay)
    batches = min(len(train), plan.epoch_images or len(train)) // plan.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.lr, total_steps=plan.epochs * batches, pct_start=0.2)
    real = torch.cat([torch.ones(plan.batch_size), torch.zeros(plan.outliers)])
    network.train()
    for epoch in range(plan.epochs):
        order = torch.randperm(len(train), generator=noise)[: batches * plan.batch_size]
        total = 0.0
        for rows in order.split(plan.batch_size):
            others = torch.randint(len(train), (plan.outliers,), generator=noise)
            images = torch.cat([augment(train.data[rows], plan, noise), make_outliers(train.data[others], noise)])
            output = network(images)
            class_loss = functional.cross_entropy(output.logits[: plan.batch_size], train.labels[rows])
            outlier_loss = functional.binary_cross_entropy_with_logits(judge(output.features).squeeze(1), real)
            optimiser.zero_grad(set_to_none=True)
            (class_loss + outlier_loss).backward()
            optimiser.step()
            schedule.step()
            total += class_loss.item()
            advance(len(rows))
        log.info("epoch %d of %d: loss %.4f", epoch + 1, plan.epochs, total / batches)


@torch.no_grad()
def standardise(network: Classifier, images: Tensor) -> None:
    """Set `center` and `scale` so that the features of these images have mean 0 and, on average, variance 1."""
    network.eval()
    features = torch.cat([network(batch).features for batch in blocks(images)]).double()
    scale = features.var(dim=0).mean().sqrt()
    if not scale.isfinite():
        raise UserError("the training of a classifier diverged: its features are not finite")
    network.center.copy_(features.mean(dim=0))
    network.scale.copy_(scale if scale > 0 else torch.ones_like(scale))


def blocks(images: Tensor) -> tuple[Tensor, ...]:
    """Return the images in batches of limited size, with at most 500 images."""
    return images.split(max(1, min(500, BLOCK_VALUES // images[0].numel())))


def accuracy(network: Classifier, examples: Examples) -> float:
    """Return the fraction of examples whose class the classifier predicts correctly."""
    assert examples.labels is not None
    network.eval()
    with torch.no_grad():
        predictions = torch.cat([network(images).predictions for images in blocks(examples.data)])
    return predictions.eq(examples.labels).double().mean().item()


def train_extractor(
    dataset: Dataset, plan: TrainingPlan, *, command: str, where: str = "", advance: Advance = _silent
) -> tuple[ExtractorCard, bytes]:
    """Train the extractor of a dataset. Returns its card, and its weights as the content of a safetensors file."""
    channels, height, width = dataset.spec.shape
    classes = dataset.spec.classes
    with one_thread(), random_streams.seeded(SEED, "extractor"):  # initial weights and dropout
        network = Classifier(shape=(channels, height, width), widths=plan.widths, dims=plan.dims, classes=classes).to(
            memory_format=torch.channels_last
        )
        fit(network, dataset.split("train"), plan, random_streams.stream(SEED, "extractor-data"), advance)
        standardise(network, dataset.split("train").data)
        right = accuracy(network, dataset.split("test"))
    weights = save({name: value.contiguous() for name, value in network.state_dict().items()})
    card = ExtractorCard(
        dataset=dataset.name, data_digest=dataset.digest(), shape=(channels, height, width), classes=classes, widths=plan.widths, dims=plan.dims,
        accuracy=right, command=command, epochs=plan.epochs, seed=SEED, torch=torch.__version__, where=where,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )  # fmt: skip
    return card, weights


@contextmanager
def one_thread() -> Iterator[None]:
    """Context manager that limits torch to one thread, because another number of threads changes single bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def command_for(dataset: Dataset) -> str:
    """Return the command that trains the extractor of a dataset."""
    return f"python -m bench.metrics.extractors.train {shlex.quote(dataset.name)}"
