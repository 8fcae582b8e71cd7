"""Trains the feature extractors that ship with the package: `python -m bench.metrics.train_extractor fashion-mnist`.

The same command on the same machine with the same version of torch writes the same bytes. New weights are a new protocol:
numbers measured with the old ones are not compared with numbers of the new.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from bench import seeding
from bench.config import DATASETS
from bench.errors import UserError, nearest
from bench.metrics.extractors import Classifier, ExtractorCard
from bench.spec import Dataset, Examples

log = logging.getLogger(__name__)
SEED = 0
ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one extractor is built and trained."""

    widths: tuple[int, ...]
    dims: int
    epochs: int
    batch_size: int
    shift: int  # training images are moved by up to this many pixels
    flip: bool  # and mirrored, where a mirrored image is of the same class
    lr: float = 4e-3
    weight_decay: float = 5e-2

    @property
    def outliers(self) -> int:
        """Outliers shown beside a batch: a quarter as many."""
        return self.batch_size // 4


PLANS = {
    "fashion-mnist": Plan(widths=(16, 32, 64), dims=64, epochs=14, batch_size=128, shift=1, flip=True),
    "digits": Plan(widths=(32, 64), dims=32, epochs=60, batch_size=64, shift=1, flip=False),
}


def augment(images: Tensor, plan: Plan, noise: torch.Generator) -> Tensor:
    """The batch moved as a whole by a few pixels, over an edge of zeros, and half of it mirrored. uint8 in, uint8 out."""
    height, width = images.shape[2:]
    top, left = torch.randint(0, 2 * plan.shift + 1, (2,), generator=noise).tolist()
    moved = functional.pad(images, (plan.shift,) * 4)[:, :, top : top + height, left : left + width]
    if not plan.flip:
        return moved
    mirrored = torch.rand(len(images), 1, 1, 1, generator=noise) < 0.5
    return torch.where(mirrored, moved.flip(3), moved)


def make_outliers(images: Tensor, noise: torch.Generator) -> Tensor:
    """What no data set holds, a quarter each: plain noise, images drowned in noise, two images in one, images with their quarters swapped.

    uint8 [N, C, H, W] in and out.
    """

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(like), 1, 1, 1, generator=noise)

    def gaussian(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=noise)

    height, width = images.shape[2:]
    plain, drowned, mixed, swapped = images.float().tensor_split(4)
    weight = uniform(mixed, 0.35, 0.65)
    made = [
        uniform(plain, -128, 384) + uniform(plain, 0, 128) * gaussian(plain),
        drowned + uniform(drowned, 64, 128) * gaussian(drowned),
        weight * mixed + (1 - weight) * mixed.roll(1, dims=0),
        swapped.roll((height // 2, width // 2), dims=(2, 3)),
    ]
    return torch.cat(made).clamp(0, 255).round().to(torch.uint8)


def fit(network: Classifier, train: Examples, plan: Plan, noise: torch.Generator) -> None:
    """Train by cross-entropy with AdamW and one cycle of the learning rate, while a second head tells images from outliers.

    Outlier exposure (Hendrycks et al. 2019, arXiv 1812.04606) keeps what is no such image away from real ones in the features,
    which precision needs. The second head is not kept.
    """
    assert train.labels is not None
    judge = nn.Linear(plan.dims, 1)
    parameters = [*network.parameters(), *judge.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=plan.lr, weight_decay=plan.weight_decay)
    batches = len(train) // plan.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.lr, total_steps=plan.epochs * batches, pct_start=0.2)
    real = torch.cat([torch.ones(plan.batch_size), torch.zeros(plan.outliers)])
    network.train()
    for epoch in range(plan.epochs):
        order = torch.randperm(len(train), generator=noise)[: batches * plan.batch_size]
        total = 0.0
        for rows in order.split(plan.batch_size):
            others = torch.randint(len(train), (plan.outliers,), generator=noise)
            images = torch.cat([augment(train.data[rows], plan, noise), make_outliers(train.data[others], noise)])
            seen = network(images)
            class_loss = functional.cross_entropy(seen.logits[: plan.batch_size], train.labels[rows])
            outlier_loss = functional.binary_cross_entropy_with_logits(judge(seen.features).squeeze(1), real)
            optimiser.zero_grad(set_to_none=True)
            (class_loss + outlier_loss).backward()
            optimiser.step()
            schedule.step()
            total += class_loss.item()
        log.info("epoch %d of %d: loss %.4f", epoch + 1, plan.epochs, total / batches)


@torch.no_grad()
def standardise(network: Classifier, images: Tensor) -> None:
    """Make the features of these images have mean 0 and, averaged over the features, variance 1."""
    network.eval()
    features = torch.cat([network(batch).features for batch in images.split(500)]).double()
    network.center.copy_(features.mean(dim=0))
    network.scale.copy_(features.var(dim=0).mean().sqrt())


def accuracy(network: Classifier, examples: Examples) -> float:
    """The fraction of examples whose class the classifier predicts."""
    assert examples.labels is not None
    network.eval()
    with torch.no_grad():
        predictions = torch.cat([network(images).predictions for images in examples.data.split(500)])
    return predictions.eq(examples.labels).double().mean().item()


def train_extractor(dataset: Dataset, plan: Plan, *, command: str) -> tuple[ExtractorCard, bytes]:
    """Train the extractor of a dataset: its card, and its weights as the content of a safetensors file."""
    shape, classes = dataset.spec.shape, dataset.spec.classes
    if dataset.spec.kind != "image" or len(shape) != 3 or not classes:
        raise UserError(f"{dataset.name} has no labelled images to train a classifier on")
    with seeding.seeded(SEED, "extractor"):  # first weights and dropout
        network = Classifier(shape=shape, widths=plan.widths, dims=plan.dims, classes=classes).to(memory_format=torch.channels_last)
        fit(network, dataset.split("train"), plan, seeding.stream(SEED, "extractor-data"))
    standardise(network, dataset.split("train").data)
    weights = save({name: value.contiguous() for name, value in network.state_dict().items()})
    card = ExtractorCard(
        dataset=dataset.name, data_digest=dataset.digest(), shape=shape, classes=classes, widths=plan.widths, dims=plan.dims,
        accuracy=accuracy(network, dataset.split("test")), command=command, epochs=plan.epochs, seed=SEED, torch=torch.__version__,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )  # fmt: skip
    return card, weights


def main() -> None:
    """Train one extractor and write its two files."""
    parser = argparse.ArgumentParser(prog="python -m bench.metrics.train_extractor", description=__doc__)
    parser.add_argument("dataset", help="one of: " + ", ".join(PLANS))
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder for the weights and their card")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)  # another number gives other bits
    try:
        if arguments.dataset not in PLANS:
            raise UserError(f"no plan to train an extractor for {arguments.dataset!r}" + nearest(arguments.dataset, PLANS))
        command = f"python -m bench.metrics.train_extractor {arguments.dataset}"
        card, weights = train_extractor(DATASETS.get(arguments.dataset), PLANS[arguments.dataset], command=command)
    except UserError as error:
        raise SystemExit(str(error)) from error
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{card.dataset}.safetensors").write_bytes(weights)
    (arguments.out / f"{card.dataset}.json").write_text(card.model_dump_json(indent=2) + "\n")
    log.info("%s: accuracy %.4f on the test split", card.dataset, card.accuracy)


if __name__ == "__main__":
    main()
