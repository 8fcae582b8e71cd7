"""Training of the extractor `distilled`. A small network learns the principal components of EfficientNet-Lite0's features by squared error.

This is knowledge distillation (Hinton et al. 2015, arXiv 1503.02531) of features.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import mse_loss

from bench.core import random_streams
from bench.core.errors import UserError
from bench.core.spec import Dataset
from bench.data.progress import Advance
from bench.metrics.extractors.classifier_training import SEED, blocks, one_thread
from bench.metrics.extractors.corruptions import corrupted
from bench.metrics.extractors.distilled import DistilledCard, DistilledNetwork

log = logging.getLogger(__name__)

HELD_OUT = 25  # one in this many images is not trained on
Teacher = Callable[[Tensor], Tensor]  # images uint8 [N, C, H, W] to features [N, D]


@dataclass(frozen=True, kw_only=True)
class DistillationPlan:
    """Record of the architecture and training of a distilled network."""

    layers: tuple[tuple[int, int, int], ...]  # channels, stride and kernel of each convolution
    hidden: int
    dims: int
    images: int  # of the training split, at most
    corrupted_images: int
    epochs: int
    batch_size: int = 128
    lr: float = 4e-3
    weight_decay: float = 1e-2


PLANS = {
    "fashion-mnist": DistillationPlan(
        layers=((32, 2, 5), (32, 1, 3), (64, 2, 3), (64, 1, 3), (128, 2, 3), (128, 1, 3)), hidden=256, dims=64, images=24_000, corrupted_images=72_000,
        epochs=12,
    ),
    "digits": DistillationPlan(
        layers=((32, 1, 3), (32, 1, 3), (64, 2, 3), (64, 1, 3), (128, 2, 3)), hidden=256, dims=64, images=1_200, corrupted_images=40_000, epochs=16
    ),
}  # fmt: skip


def distil(
    dataset: Dataset, plan: DistillationPlan, teacher: Teacher, generated: Tensor, *, teacher_sha256: str, command: str, advance: Advance
) -> tuple[DistilledCard, bytes]:
    """Train the network of a dataset. Returns its card, and its weights as the content of a safetensors file.

    `teacher`: features of the network to imitate. `generated`: additional training images from generators, uint8 [N, C, H, W]; N may be 0.
    The function calls `advance` with the number of images after each part for the teacher, and after each training batch.
    Raises UserError if the training diverges.
    """
    channels, height, width = dataset.spec.shape
    noise = random_streams.stream(SEED, "distillation")
    with one_thread(), random_streams.seeded(SEED, "distilled"):  # first weights
        images = torch.cat([_images(dataset, plan, noise), generated])
        target = principal_components(torch.cat([_reported(teacher(part), advance) for part in images.split(1_000)]), plan.dims)
        network = DistilledNetwork(shape=(channels, height, width), layers=plan.layers, hidden=plan.hidden, dims=plan.dims)
        order = torch.randperm(len(images), generator=noise)
        held_out, trained = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
        _fit(network, images[trained], target[trained], plan, noise, advance)
        network.eval()
        network.fuse()
        with torch.no_grad():
            found = torch.cat([network(block) for block in blocks(images[held_out])])
            unexplained = float(mse_loss(found, target[held_out]) / target[held_out].var(dim=0).mean())
            _standardise(network, dataset.split("train").data)
    weights = save({name: value.contiguous() for name, value in network.state_dict().items()})
    clean = min(plan.images, len(dataset.split("train")))
    card = DistilledCard(
        dataset=dataset.name, data_digest=dataset.digest(), shape=(channels, height, width), layers=plan.layers, hidden=plan.hidden, dims=plan.dims,
        teacher_sha256=teacher_sha256, images=clean, corrupted_images=plan.corrupted_images,
        generated_images=len(generated), generated_sha256=hashlib.sha256(generated.numpy().tobytes()).hexdigest(), unexplained=unexplained, command=command,
        epochs=plan.epochs, seed=SEED, torch=torch.__version__, weights_sha256=hashlib.sha256(weights).hexdigest(),
    )  # fmt: skip
    return card, weights


def _images(dataset: Dataset, plan: DistillationPlan, noise: torch.Generator) -> Tensor:
    """Return the images to train on, uint8 [N, C, H, W]: training images as they are, then corrupted ones."""
    train = dataset.split("train").data
    plain = train[torch.randperm(len(train), generator=noise)[: plan.images]]
    rows = torch.randint(len(train), (plan.corrupted_images,), generator=noise)
    return torch.cat([plain, corrupted(train[rows], noise)])


def _reported(features: Tensor, advance: Advance) -> Tensor:
    advance(len(features))
    return features


def principal_components(features: Tensor, dims: int) -> Tensor:
    """Return the first principal components [N, dims] of features [N, D], divided by one number so that their mean variance is 1."""
    centred = features.double() - features.double().mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    components = centred @ vectors.flip(1)[:, :dims]
    return (components / components.var(dim=0).mean().sqrt()).float()


def _fit(
    network: DistilledNetwork, images: Tensor, target: Tensor, plan: DistillationPlan, noise: torch.Generator, advance: Advance
) -> None:
    """Train by squared error with AdamW and one cycle of the learning rate, in bfloat16 with float32 weights."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.lr, weight_decay=plan.weight_decay)
    batches = len(images) // plan.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.lr, total_steps=plan.epochs * batches, pct_start=0.2)
    network.train()
    for epoch in range(plan.epochs):
        total = 0.0
        for rows in torch.randperm(len(images), generator=noise)[: batches * plan.batch_size].split(plan.batch_size):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                found = network(images[rows])
            loss = mse_loss(found.float(), target[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
            advance(len(rows))
        log.info("epoch %d of %d: squared error %.4f", epoch + 1, plan.epochs, total / batches)


def _standardise(network: DistilledNetwork, images: Tensor) -> None:
    """Set `center` and `scale` so that the features of these images have mean 0 and, on average, variance 1."""
    features = torch.cat([network(batch) for batch in blocks(images)]).double()
    scale = features.var(dim=0).mean().sqrt()
    if not scale.isfinite():
        raise UserError("the training of the distilled network diverged: its features are not finite; lower `lr` in its DistillationPlan")
    network.center.copy_(features.mean(dim=0))
    network.scale.copy_(scale if scale > 0 else torch.ones_like(scale))
