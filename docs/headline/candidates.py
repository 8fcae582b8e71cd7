"""The extractors that are candidates for the headline metric, and the ImageNet network that judges them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from bench.core import random_streams
from bench.core.spec import Dataset, to_unit_range
from bench.metrics.extractors import extractor_for
from bench.metrics.extractors.classifier import Classifier
from bench.metrics.extractors.classifier_training import SEED, fit, one_thread
from bench.metrics.extractors.photo import photo_features
from bench.metrics.extractors.training_plan import TrainingPlan, plan_for

TEACHER = "photo"
REPEATED = "photo, other samples"  # no candidate: how well the teacher agrees with itself
BATCH = 500
DIMS = 64  # principal components of concatenated layers


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A function from images uint8 [N, C, H, W] to features float32 [N, d]."""

    name: str
    features: Callable[[Tensor], Tensor]


class PlainPlan(TrainingPlan):
    """A training plan without outlier exposure."""

    @property
    def outliers(self) -> int:
        """No outliers."""
        return 0


def candidates(dataset: Dataset) -> list[Candidate]:
    """Return the teacher and all candidates for a dataset. Trains the plain classifier."""
    plain, untrained = _classifier(dataset, train=True), _classifier(dataset, train=False)
    return [
        Candidate(name=TEACHER, features=photo_features),
        *(Candidate(name=kind, features=partial(_extracted, kind, dataset)) for kind in ("classifier", "pixels", "distilled")),
        Candidate(name="plain classifier", features=partial(_last_layer, plain)),
        Candidate(name="plain classifier, all layers", features=_layers(plain, dataset)),
        Candidate(name="untrained network", features=partial(_last_layer, untrained)),
        Candidate(name="untrained network, all layers", features=_layers(untrained, dataset)),
    ]


def _extracted(kind: str, dataset: Dataset, images: Tensor) -> Tensor:
    return extractor_for(kind, dataset)(images).features


def _classifier(dataset: Dataset, *, train: bool) -> Classifier:
    """Return a classifier as ganbench trains it, but without outlier exposure, or one with random weights."""
    channels, height, width = dataset.spec.shape
    known = plan_for(dataset)
    plan = PlainPlan(**{field.name: getattr(known, field.name) for field in fields(known)})
    with one_thread(), random_streams.seeded(SEED, "extractor"):
        network = Classifier(shape=(channels, height, width), widths=plan.widths, dims=plan.dims, classes=dataset.spec.classes)
        if train:
            fit(network, dataset.split("train"), plan, random_streams.stream(SEED, "extractor-data"))
    return network.eval()


@torch.no_grad()
def _last_layer(network: Classifier, images: Tensor) -> Tensor:
    return torch.cat([network(batch).features for batch in images.split(BATCH)])


@torch.no_grad()
def _all_layers(network: Classifier, images: Tensor) -> Tensor:
    """Return the outputs of all blocks, pooled to 2 x 2, and of the last hidden layer."""
    rows = []
    for batch in images.split(BATCH):
        x, parts = to_unit_range(batch), []
        for block in network.blocks:
            x = block(x)
            parts.append(adaptive_avg_pool2d(x, 2).flatten(1))
        rows.append(torch.cat([*parts, torch.relu(network.hidden(x.flatten(1)))], dim=1))
    return torch.cat(rows)


def _layers(network: Classifier, dataset: Dataset) -> Callable[[Tensor], Tensor]:
    """Return a function to the principal components of all layers' outputs, each output scaled by its deviation over training images."""
    train = _all_layers(network, dataset.split("train").data[:10_000])
    mean, scale = train.mean(dim=0), train.std(dim=0).clamp(min=1e-6)
    scaled = (train - mean) / scale
    _, vectors = torch.linalg.eigh((scaled.T @ scaled).double())
    components = vectors.flip(1)[:, : min(DIMS, len(dataset.split("test")) // 2)].float()

    def features(images: Tensor) -> Tensor:
        return ((_all_layers(network, images) - mean) / scale) @ components

    return features
